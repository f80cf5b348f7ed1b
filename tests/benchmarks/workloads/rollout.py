"""A rollout of 64 episodes whose environment and policy cost the same for a chunk."""

from __future__ import annotations

import time
from functools import partial

from tests.benchmarks.published_schedules.waves import WAVE, roll_out_in_waves
from tests.benchmarks.support.constant_cost_env import CHUNK, CONSTANT_COST, ConstantCostOptions, burn
from tests.benchmarks.support.constant_cost_policy import ConstantCostPolicy
from tests.benchmarks.support.equivalence import same_trajectories
from tests.benchmarks.support.pairs import Pair
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Start, Trajectory

WORKERS = 2  # processes, one for each core; each holds half of a wave
CHUNKS = 16  # of the longest episode; the mean is half of it
SECONDS = 0.003  # CPU seconds of a chunk, in the environment as in the policy
TEMPERATURE = 1.6


def open_workers(products: int, *, deterministic: bool) -> Pool:
    """Open two worker processes of four environments.  deterministic: one observation in each forward."""
    return open_pool(
        CONSTANT_COST,
        "constant-cost",
        ConstantCostOptions(products, CHUNKS * CHUNK),
        slots=0,
        workers=WORKERS,
        environments=WAVE // 2,
        deterministic=deterministic,
    )


def pair(pool: Pool, policy: ConstantCostPolicy, groups: int) -> Pair:
    """Compare continuous batching with waves."""
    queue = episodes(groups)
    ours = partial(continuous, pool, Actor(policy, TEMPERATURE), queue)
    baseline = partial(waves, pool, Actor(policy, TEMPERATURE), queue)
    same_trajectories(ours(), baseline())
    return Pair(ours, baseline)


def episodes(groups: int, size: int = WAVE) -> list[Episode]:
    """List the groups' episodes in order of launch."""
    return [
        Episode(Start(0, group), member, ("benchmark", group, member))
        for group in range(1, groups + 1)
        for member in range(size)
    ]


def continuous(pool: Pool, actor: Actor, queue: list[Episode]) -> list[Trajectory]:
    """Roll out as this project does -> trajectories in order of launch."""
    waiting = iter(queue)
    ended = roll_out(pool, actor, lambda: next(waiting, None), keep=True)
    return [trajectory for _, trajectory in sorted(ended, key=lambda pair: queue.index(pair[0]))]


def waves(pool: Pool, actor: Actor, queue: list[Episode]) -> list[Trajectory]:
    return list(roll_out_in_waves(pool, actor, queue))


def products_taking(seconds: float) -> int:
    """Return how many products of `burn` take so many CPU seconds on this machine."""
    trial, least = 200, float("inf")
    for _ in range(5):
        started = time.process_time()
        burn(trial)
        least = min(least, time.process_time() - started)
    return max(1, round(trial * seconds / least))
