"""Chunks per second of the quickstart's iteration on the built-in environment, one run for each core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tests.benchmarks.support.pairs import Seconds, measure
from tests.benchmarks.support.settings import TABLETOP, trainer
from tests.benchmarks.support.sft_checkpoint import fine_tuned
from tests.benchmarks.support.update_workload import CLIP, TEMPERATURE, config
from vla_rl_bench import seeding
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.catalog import discover
from vla_rl_bench.engine.collect import GroupRequest, collect
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.training import TrainingStarts
from vla_rl_bench.engine.update import LossSettings, pack, update
from vla_rl_bench.interfaces import Trainer
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool

CORES = 2
SLOTS, GROUPS, SIZE, MINIBATCH, DRAWS = 128, 16, 8, 32, 2  # suites/quickstart.yaml


@dataclass(frozen=True)
class MeasuredIteration:
    """An iteration of one run."""

    chunks: int  # rolled out, rejected groups included
    seconds: Seconds


def job(iterations: int, seed: int) -> list[MeasuredIteration]:
    """Run the quickstart's recipe after its SFT, in a process of its own; one more iteration warms up."""
    torch.set_num_threads(1)
    catalog = discover()
    entry = catalog.environment("tabletop")
    pool = open_pool(entry, TABLETOP, entry.options(), slots=SLOTS, workers=0)
    prepared = trainer(catalog, fine_tuned(catalog, pool))
    tricks = RunHooks([catalog.trick("dynamic-sampling").trick(low=0, high=1, max_draws=DRAWS)])
    measured = []
    for iteration in range(iterations + 1):
        chunks: list[int] = []
        seconds = measure(lambda i=iteration, c=chunks: c.append(_iterate(pool, prepared, tricks, seed, i)))  # type: ignore[misc]
        measured.append(MeasuredIteration(chunks[0], seconds))
    return measured[1:]


def _iterate(pool: Pool, prepared: Trainer, tricks: RunHooks, seed: int, iteration: int) -> int:
    """Roll out and update -> chunks rolled out."""
    start_range = pool.contract.splits["training"]
    tasks = range(len(pool.contract.tasks))
    with prepared.acting() as policy:
        batch = collect(
            pool,
            Actor(policy, TEMPERATURE),
            GroupRequest(
                start_of=TrainingStarts(tasks, start_range, seed).of_iteration(iteration),
                key=("rollout", seed, iteration),
                target_groups=GROUPS,
                max_groups=DRAWS * GROUPS,
                group_size=SIZE,
            ),
            tricks,
            SingleProcess(),
        )
    if batch.groups:
        returns = torch.from_numpy(np.stack([group.returns for group in batch.groups]))
        instructions = [task.instruction for task in pool.contract.tasks]
        update(
            prepared,
            pack(batch.groups, group_advantages(returns), instructions, prepared.policy),
            config(MINIBATCH),
            tricks,
            LossSettings(clipped, None, CLIP, TEMPERATURE),
            SingleProcess(),
            seeding.generator("minibatches", seed, iteration),
        )
    return batch.chunks
