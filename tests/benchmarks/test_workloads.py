"""Our rollout, update and simulator beside the schedules of published code, on the same work in one run.

Letters are the rows of docs/reference/benchmarks.md.  Every pair is required to compute the same before it is timed.
No time is asserted: the aims of that page hold for the full form, on a machine that does nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.published_schedules import storage
from tests.benchmarks.support.constant_cost_policy import ConstantCostPolicy
from tests.benchmarks.support.pairs import Pair
from tests.benchmarks.support.settings import TABLETOP, Settings, nano, trainer
from tests.benchmarks.support.sft_checkpoint import fine_tuned
from tests.benchmarks.support.synthetic_trajectories import lengths
from tests.benchmarks.support.update_workload import synthetic_workload
from tests.benchmarks.workloads import iteration, libero_episode, rollout, throughput
from tests.benchmarks.workloads.iteration import LIBERO_CHUNKS, LIBERO_POLICY, SIZE, Iteration, Simulator
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.rollout.pool import open_pool
from vla_rl_bench.types import Observation, Start, Trajectory

TRAJECTORIES = 512  # SimpleVLA-RL: 64 prompts x 8 samples
SAMPLE = 8  # trajectories whose arrays are made; all 512 would not fit


@pytest.mark.sim
@pytest.mark.parametrize("suite", ["libero_object", "libero_goal", "libero_10"])
def test_libero_episode(suite: str, libero: EnvironmentEntry, settings: Settings, timed: Any) -> None:
    """A: the tuned driver of a long-lived worker against a simulator built for each episode."""
    if settings.quick and suite != "libero_object":
        pytest.skip("only in the full form")
    with closing(libero_episode.build(libero, suite, "tuned")) as environment:
        steps = settings.pick(libero_episode.STEPS, 2 * libero_episode.CHUNK)
        libero_episode.pair(libero, environment, suite, steps).run(timed, rounds=2)


@pytest.mark.parametrize("deterministic", [False, True])
def test_rollout(deterministic: bool, settings: Settings, timed: Any) -> None:
    """B: continuous batching against waves; deterministic, the default of suites, forwards each observation alone."""
    products = rollout.products_taking(rollout.SECONDS)
    with closing(rollout.open_workers(products, deterministic=deterministic)) as pool:
        rollout.pair(pool, ConstantCostPolicy(products), settings.pick(8, 2)).run(timed, settings.pick(3, 2))


@pytest.mark.parametrize("valid", [0.25, 0.5, 1.0])
def test_update(valid: float, settings: Settings, timed: Any) -> None:
    """C: executed chunks, packed, against all chunks, padded."""
    work = synthetic_workload(settings, valid)
    work.check()
    Pair(work.packed_update, partial(work.padded_update, work.padded())).run(timed, settings.pick(9, 2))


def test_after_rollout(settings: Settings, timed: Any) -> None:
    """D: the update with stored log-probs against the update with two more passes over all chunks."""
    work = synthetic_workload(settings, 0.5)
    work.check()
    Pair(work.packed_update, partial(work.padded_passes, work.padded())).run(timed, settings.pick(9, 2))


@pytest.mark.parametrize("valid", [0.25, 0.5, 1.0])
def test_trajectory_memory(valid: float) -> None:
    """E: 512 trajectories, ragged in uint8, take at most 1 / (7.5 / valid) of the bytes of padded float32."""
    baseline = sum(array.nbytes for array in storage.stored(SAMPLE).values()) * (TRAJECTORIES // SAMPLE)
    ours = sum(_bytes(_ragged(chunks)) for chunks in lengths(SAMPLE, storage.CHUNKS, valid)) * (TRAJECTORIES // SAMPLE)
    assert baseline == pytest.approx(39.8e9, rel=0.01)
    assert baseline / ours >= 7.5 / valid


def _ragged(chunks: int) -> Trajectory:
    """Make a trajectory of this project with the baseline's image size and number of tokens."""
    pixels = np.ones((chunks, storage.PIXELS, storage.PIXELS, 3), np.uint8)
    return Trajectory(
        start=Start(0, 0),
        rollout=0,
        observations=Observation({"camera": pixels}, np.zeros((chunks, 8), np.float32)),
        tokens=np.zeros((chunks, storage.TOKENS), np.int16),
        logprobs=np.zeros((chunks, storage.TOKENS), np.float32),
        steps=np.ones(chunks, np.int64),
        success=True,
    )


def _bytes(trajectory: Trajectory) -> int:
    images = trajectory.observations.images.values()
    arrays = (trajectory.observations.proprio, trajectory.tokens, trajectory.logprobs, trajectory.steps)
    return sum(array.nbytes for array in (*images, *arrays))


def test_tabletop_iteration(settings: Settings, timed: Any) -> None:
    """G: after the quickstart's SFT; ours plays 128 episodes at a time, the baseline 8."""
    entry = settings.catalog.environment("tabletop")
    with closing(open_pool(entry, TABLETOP, entry.options(), slots=throughput.SLOTS, workers=0)) as pool:
        policy = fine_tuned(settings.catalog, pool)
        groups, tasks = settings.pick(16, 4), range(len(pool.contract.tasks))
        prepared = trainer(settings.catalog, policy)
        work = Iteration(pool, pool, policy, prepared, groups, tasks, throughput.MINIBATCH)
        work.pair().run(timed, settings.pick(5, 2))


@pytest.mark.sim
@pytest.mark.parametrize(("simulator", "baseline"), [("fast", "fast"), ("exact", "exact"), ("exact", "fresh")])
def test_libero_iteration(
    simulator: Simulator, baseline: Simulator, libero: EnvironmentEntry, settings: Settings, timed: Any
) -> None:
    """G: on one task of LIBERO, with the same simulator on both sides and with the baseline's own as in A."""
    if settings.quick and baseline == "fresh":
        pytest.skip("only in the full form")
    chunks = settings.pick(LIBERO_CHUNKS if baseline != "fresh" else LIBERO_CHUNKS // 2, 3)
    with ExitStack() as pools:
        pool = pools.enter_context(closing(iteration.open_libero(libero, simulator, chunks)))
        wave_pool = pool
        if baseline != simulator:
            wave_pool = pools.enter_context(closing(iteration.open_libero(libero, baseline, chunks)))
        policy = nano(settings.catalog, pool.contract, **LIBERO_POLICY)
        groups = settings.pick(2 if baseline == "fast" else 1, 1)
        work = Iteration(pool, wave_pool, policy, trainer(settings.catalog, policy), groups, (0,), SIZE)
        work.pair().run(timed, settings.pick(3 if baseline == "fast" else 1, 1))


def test_throughput(settings: Settings, timed: Any) -> None:
    """H: chunks per second of the quickstart's recipe, a run for each core; there is no baseline that does the same.

    `chunks_per_second` is chunks per CPU second times the cores: the rate of cores that do nothing else.
    """
    seeds = list(range(min(throughput.CORES, os.cpu_count() or 1)))
    with ProcessPoolExecutor(len(seeds), multiprocessing.get_context("spawn")) as processes:
        runs = timed.pedantic(
            lambda: list(processes.map(partial(throughput.job, settings.pick(6, 1)), seeds)), rounds=1
        )
    rates = [throughput.CORES * measured.chunks / measured.seconds.cpu for run in runs for measured in run]
    walls = [sum(item.chunks for item in run) / sum(item.seconds.wall for item in run) for run in runs]
    timed.extra_info |= {
        "chunks_per_second": statistics.median(rates),
        "chunks_per_wall_second": sum(walls),
        "iterations": rates,
    }
    assert min(rates) > 0
