"""One LIBERO episode of 104 steps: the number that the scripted expert needs on task 0 of libero_object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.published_schedules import fresh
from tests.benchmarks.support.equivalence import Different
from tests.benchmarks.support.pairs import Pair
from vla_rl_bench import entries, seeding
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.options import make_options
from vla_rl_bench.types import FloatArray, Start

STEPS, CHUNK, PIXELS = 104, 8, 256
START, OTHER_START = Start(0, 41), Start(0, 40)  # held-out initial states


def pair(entry: EnvironmentEntry, environment: EnvironmentBase, suite: str, steps: int) -> Pair:
    """Compare `environment`, built by `build`, with LIBERO's own environment, built anew for each episode.

    Both settle and render exactly.
    """
    chunks = actions(steps)
    build_reference = partial(build, entry, suite, "reference")
    _check_final_state(environment, build_reference, chunks)
    # alternate, so that the settled scene of the last episode is never at hand
    our_starts, baseline_starts = cycle([OTHER_START, START]), cycle([OTHER_START, START])
    return Pair(
        lambda: _play(environment, next(our_starts), chunks),
        lambda: fresh.episode(build_reference, next(baseline_starts), chunks),
    )


def build(entry: EnvironmentEntry, suite: str, driver: str) -> EnvironmentBase:
    """Build LIBERO with the plugin's `tuned` or `reference` driver."""
    options = make_options(entry.options, {"driver": driver, "image_size": PIXELS}, entry.name)
    environment: EnvironmentBase = entries.load(entry.make)(suite, options, 1)
    return environment


def actions(steps: int) -> list[FloatArray]:
    """Make chunks ``[8, 7]`` of slow random moves of the open hand, the same in each call; they solve no task."""
    rng = seeding.generator("benchmark", "libero")
    moves = rng.uniform(-0.3, 0.3, (steps // CHUNK, 1, 7)).repeat(CHUNK, 1).astype(np.float32)
    moves[..., 6] = -1.0
    return list(moves)


def _play(environment: EnvironmentBase, start: Start, chunks: list[FloatArray]) -> None:
    environment.reset(options={"start": start})
    for chunk in chunks:
        environment.step_chunk(chunk)


def _check_final_state(
    ours: EnvironmentBase, build_reference: Callable[[], EnvironmentBase], chunks: list[FloatArray]
) -> None:
    """Require equal positions, velocities and pixels, bit for bit, after the last action."""
    _play(ours, START, chunks)
    references: list[tuple[NDArray[np.float64], NDArray[np.uint8]]] = []
    fresh.episode(build_reference, START, chunks, lambda environment: references.append(_final_state(environment)))
    (state, image), (reference_state, reference_image) = _final_state(ours), references[0]
    difference = float(np.abs(state - reference_state).max())
    if difference > 0 or not np.array_equal(image, reference_image):
        equal = np.array_equal(image, reference_image)
        raise Different(f"final state: differs by {difference:.2g}; equal images: {equal}")


def _final_state(environment: EnvironmentBase) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    data = environment.active.instance.sim.data  # type: ignore[attr-defined]
    return np.concatenate([data.qpos, data.qvel]), environment.film()
