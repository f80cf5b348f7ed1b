"""A: one LIBERO episode of 104 steps, which is what the scripted expert needs on task 0 of libero_object."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench import entries, seeding
from vla_rl_bench.bench.rows import Pair, Row, Skipped
from vla_rl_bench.bench.same import Different
from vla_rl_bench.bench.schedules import fresh
from vla_rl_bench.bench.setting import Setting
from vla_rl_bench.catalog import make_options
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import Environment
from vla_rl_bench.types import FloatArray, Start

AIMS = {"libero_object": 15.0, "libero_goal": 12.0, "libero_10": 12.0}
STEPS, CHUNK, PIXELS = 104, 8, 256
START, OTHER = Start(0, 41), Start(0, 40)  # held-out init states
NOTE = "the baseline builds its simulator anew, ours has it since its worker began; both settle and render exactly"


def rows(setting: Setting) -> Iterator[Row | Skipped]:
    entry = libero(setting)
    if isinstance(entry, str):
        yield Skipped("A", "a LIBERO episode", entry)
        return
    for suite in AIMS if not setting.quick else ("libero_object",):
        yield _row(setting, entry, suite)


def libero(setting: Setting) -> EnvironmentEntry | str:
    """The environment's entry, or why there is none."""
    try:
        entry = setting.catalog.environment("libero")
        setting.catalog.require(entry)
    except UserError as error:
        return str(error)
    return entry


def _row(setting: Setting, entry: EnvironmentEntry, suite: str) -> Row:
    steps = setting.pick(STEPS, 2 * CHUNK)
    chunks = actions(steps)
    build = partial(_build, entry, suite)
    environment = build("tuned")
    try:
        _same_end(environment, partial(build, "reference"), chunks)
        mine, theirs = cycle([OTHER, START]), cycle([OTHER, START])
        ours = lambda: _episode(environment, next(mine), chunks)  # noqa: E731
        baseline = lambda: fresh.episode(partial(build, "reference"), next(theirs), chunks)  # noqa: E731
        what = f"{suite} episode, {steps} steps, {PIXELS} px"
        return setting.measured(
            Pair("A", what, ours, baseline, AIMS[suite], note=NOTE), rounds=2 if suite == "libero_object" else 1
        )
    finally:
        environment.close()


def _build(entry: EnvironmentEntry, suite: str, driver: str) -> Environment:
    options = make_options(entry.options, {"driver": driver, "image_size": PIXELS}, entry.name)
    made: Environment = entries.load(entry.make)(suite, options, 1)
    return made


def actions(steps: int) -> list[FloatArray]:
    """Chunks ``[8, 7]`` of a slow wander of the open hand; the same each time, and no task is solved by it."""
    random = seeding.generator("benchmark", "libero")
    drawn = random.uniform(-0.3, 0.3, (steps // CHUNK, 1, 7)).repeat(CHUNK, 1).astype(np.float32)
    drawn[..., 6] = -1.0
    return list(drawn)


def _episode(environment: Environment, start: Start, chunks: list[FloatArray]) -> None:
    """start: not that of the last episode, whose settled scene would be at hand."""
    environment.reset(options={"start": start})
    for chunk in chunks:
        environment.step_chunk(chunk)  # type: ignore[attr-defined]  # LIBERO's has it


def _same_end(ours: Environment, build: Any, chunks: list[FloatArray]) -> None:
    """Positions, velocities and a picture of the scene agree, bit for bit, when the last action is done."""
    _episode(ours, START, chunks)
    seen: list[tuple[NDArray[np.float64], NDArray[np.uint8]]] = []
    fresh.episode(build, START, chunks, lambda environment: seen.append(_end(environment)))
    mine = _end(ours)
    apart, alike = float(np.abs(mine[0] - seen[0][0]).max()), np.array_equal(mine[1], seen[0][1])
    if apart > 0 or not alike:
        raise Different(f"the last state: apart by {apart:.2g}; pictures alike: {alike}")


def _end(environment: Any) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    data = environment.active.instance.sim.data
    return np.concatenate([data.qpos, data.qvel]), environment.film()
