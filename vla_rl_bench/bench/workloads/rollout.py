"""B: a rollout of 64 episodes whose environment and policy cost the same a chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from vla_rl_bench.bench.costly import CostlyPolicy
from vla_rl_bench.bench.fake import CHUNK, FakeOptions, burn
from vla_rl_bench.bench.rows import Pair, Row
from vla_rl_bench.bench.same import same_trajectories
from vla_rl_bench.bench.schedules.waves import WAVE, roll_out_in_waves
from vla_rl_bench.bench.setting import Setting
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Start, Trajectory

FAKE = EnvironmentEntry(
    name="fake",
    summary="steps that cost what they are told to",
    make="vla_rl_bench.bench.fake:make",
    suites=("fake",),
    options=FakeOptions,
)
WORKERS = 2  # processes, one a core; each holds half of a wave
CHUNKS = 16  # of the longest episode; the mean is half of it
SECONDS = 0.003  # that a chunk costs: in the environment as in the policy
TEMPERATURE = 1.6
NOTE = (
    "a forward costs as much as a chunk's steps, so in CPU seconds no schedule can gain more than 1.5 "
    "(one part stepping and one forwards, against one and two); held to the wall, where both overlap in ours"
)
NOTE_DETERMINISTIC = "one observation a forward, so that no bit depends on timing: the default of a suite"


def rows(setting: Setting) -> Iterator[Row]:
    """Whichever observations are ready share a forward; then deterministic, each forwarded alone."""
    work = products(SECONDS)
    for deterministic in (False, True):
        pool = open_pool(
            FAKE,
            "fake",
            FakeOptions(work, CHUNKS * CHUNK),
            slots=0,
            workers=WORKERS,
            environments=WAVE // 2,
            deterministic=deterministic,
        )
        try:
            yield _row(setting, pool, CostlyPolicy(work), deterministic)
        finally:
            pool.close()


def _row(setting: Setting, pool: Pool, policy: CostlyPolicy, deterministic: bool) -> Row:
    todo = episodes(setting.pick(8, 2))
    ours = partial(continuous, pool, Actor(policy, TEMPERATURE), todo)
    baseline = partial(waves, pool, Actor(policy, TEMPERATURE), todo)
    same_trajectories(ours(), baseline())
    what = f"rollout of {len(todo)} episodes, mean finish half the limit"
    if deterministic:
        pair = Pair("B", f"{what}, deterministic", ours, baseline, None, "wall", NOTE_DETERMINISTIC)
    else:
        pair = Pair("B", what, ours, baseline, 2.0, "wall", NOTE)
    return setting.measured(pair, rounds=3)


def episodes(groups: int, size: int = WAVE) -> list[Episode]:
    """In order of launch."""
    return [
        Episode(Start(0, group), member, ("benchmark", group, member))
        for group in range(1, groups + 1)
        for member in range(size)
    ]


def continuous(pool: Pool, actor: Actor, todo: list[Episode]) -> list[Trajectory]:
    """Ours -> in order of launch."""
    left = iter(todo)
    ended = roll_out(pool, actor, lambda: next(left, None), keep=True)
    return [trajectory for _, trajectory in sorted(ended, key=lambda one: todo.index(one[0]))]


def waves(pool: Pool, actor: Actor, todo: list[Episode]) -> list[Trajectory]:
    return list(roll_out_in_waves(pool, actor, todo))


def products(seconds: float) -> int:
    """How many products of `burn` take so many CPU seconds here."""
    trial, least = 200, float("inf")
    for _ in range(5):
        begun = time.process_time()
        burn(trial)
        least = min(least, time.process_time() - begun)
    return max(1, round(trial * seconds / least))
