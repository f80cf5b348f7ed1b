"""H: chunks a second of the quickstart's iteration on the built-in environment, a run a core as there."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from vla_rl_bench import seeding
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.bench.beginning import fine_tuned
from vla_rl_bench.bench.learning import CLIP, TEMPERATURE, config
from vla_rl_bench.bench.rows import Row
from vla_rl_bench.bench.setting import TABLETOP, Setting, trainer
from vla_rl_bench.bench.spent import Spent, measure
from vla_rl_bench.catalog import discover
from vla_rl_bench.engine.collect import collect, training_start
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.update import pack, update
from vla_rl_bench.interfaces import Trainer
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool

CORES = 2
AIM = 1500.0  # chunks a second
TORCHRL = 40.0  # decisions a second: TorchRL 0.14.1, its `vla_grpo` example on two such cores; other work, no pair
SLOTS, GROUPS, SIZE, MINIBATCH, DRAWS = 128, 16, 8, 32, 2  # suites/quickstart.yaml
NOTE = (
    f"chunks per CPU second times {CORES}, which is what {CORES} free cores give; by the wall of this machine, which "
    "others use too, {wall:.0f}. The baseline is TorchRL's own toy, its rate quoted"
)


def rows(setting: Setting) -> Iterator[Row]:
    setting.note_progress("H: rollout and update on the tabletop")
    jobs = list(range(min(CORES, os.cpu_count() or 1)))
    iterations = setting.pick(6, 1)
    with ProcessPoolExecutor(len(jobs), multiprocessing.get_context("spawn")) as processes:
        done = list(processes.map(partial(job, iterations), jobs))
    rates = tuple(CORES * part.chunks / part.spent.cpu for one in done for part in one)
    wall = sum(sum(part.chunks for part in one) / sum(part.spent.wall for part in one) for one in done)
    yield Row(
        letter="H",
        what="rollout and update on the tabletop",
        unit="chunks/s",
        ours=rates,
        baseline=(TORCHRL,),
        cpu=tuple(rate / TORCHRL for rate in rates),
        wall=(wall / TORCHRL,),
        aim=AIM,
        judged="CPU",
        note=NOTE.format(wall=wall),
        extra=(("chunks_per_wall_second", wall),),
    )


@dataclass(frozen=True)
class Iterated:
    """An iteration of one job.  chunks: all that were rolled out, those of rejected groups too."""

    chunks: int
    spent: Spent


def job(iterations: int, seed: int) -> list[Iterated]:
    """A run of the quickstart's recipe in a process of its own, after its SFT; one iteration warms up."""
    torch.set_num_threads(1)
    catalog = discover()
    entry = catalog.environment("tabletop")
    pool = open_pool(entry, TABLETOP, entry.options(), slots=SLOTS, workers=0)
    trained = trainer(catalog, fine_tuned(catalog, pool))
    tricks = RunHooks([catalog.trick("dynamic-sampling").trick(low=0, high=1, max_draws=DRAWS)])
    found = []
    for iteration in range(iterations + 1):
        chunks: list[int] = []
        spent = measure(lambda i=iteration, c=chunks: c.append(_iterate(pool, trained, tricks, seed, i)))  # type: ignore[misc]
        found.append(Iterated(chunks[0], spent))
    return found[1:]


def _iterate(pool: Pool, trained: Trainer, tricks: RunHooks, seed: int, iteration: int) -> int:
    """-> chunks rolled out."""
    bounds = pool.contract.splits["training"]
    tasks = range(len(pool.contract.tasks))
    with trained.acting() as policy:
        batch = collect(
            pool,
            Actor(policy, TEMPERATURE),
            tricks,
            partial(training_start, tasks, bounds, seed, iteration),
            SingleProcess(),
            key=("rollout", seed, iteration),
            wanted=GROUPS,
            most=DRAWS * GROUPS,
            size=SIZE,
        )
    if batch.groups:
        returns = torch.from_numpy(np.stack([group.returns for group in batch.groups]))
        told = [task.instruction for task in pool.contract.tasks]
        update(
            trained,
            pack(batch.groups, group_advantages(returns), told, trained.policy),
            config(MINIBATCH),
            tricks,
            clipped,
            SingleProcess(),
            temperature=TEMPERATURE,
            clip=CLIP,
            draw=seeding.generator("minibatches", seed, iteration),
        )
    return batch.chunks
