"""The tabletop as a `BatchedEnvironment`: slots at different times of their episodes, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from vla_rl_bench.builtin.tabletop import dynamics
from vla_rl_bench.builtin.tabletop.expert import expert
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tabletop.render import film, render
from vla_rl_bench.builtin.tabletop.scene import Scenes, blank, initial
from vla_rl_bench.builtin.tabletop.suites import SUITES
from vla_rl_bench.types import (
    ActionSpec,
    ChunkResult,
    Demonstration,
    EnvironmentSpec,
    FloatArray,
    ImageArray,
    ImageSpec,
    IntArray,
    Observation,
    Start,
    TaskSpec,
)

PROTOCOL = "tabletop-1"
CAMERA = "top"
FILM_SIZE = 192
SPLITS = {
    "demonstration": (0, 10_000),
    "training": (10_000, 1_000_000),
    "held-out": (1_000_000, 1_010_000),
}
ACTION = ActionSpec(
    names=("dx", "dy", "grip"),
    low=(-1.0, -1.0, -1.0),
    high=(1.0, 1.0, 1.0),
    noop=(0.0, 0.0, -1.0),
    gripper="absolute: above 0 closed, else open",
)
PROPRIO = (
    "gripper x, -1 left to 1 right",
    "gripper y, -1 bottom to 1 top",
    "closed, -1 or 1",
)


def make(suite: str, options: TabletopOptions, slots: int) -> Tabletop:
    """The entry point: a task suite's tables, `slots` of them."""
    return Tabletop(suite, options, slots)


def contract(suite: str, options: TabletopOptions) -> EnvironmentSpec:
    return EnvironmentSpec(
        name="tabletop",
        suite=suite,
        protocol=PROTOCOL + options.deviations(),
        tasks=tuple(TaskSpec(layout.name, layout.instruction, layout.step_limit) for layout in SUITES[suite]),
        images=(ImageSpec(CAMERA, options.image_size, options.image_size),),
        proprio=PROPRIO,
        action=ACTION,
        splits=SPLITS,
        versions={"numpy": np.__version__},
    )


class Tabletop:
    """See `vla_rl_bench.interfaces.BatchedEnvironment`.  A slot must be reset before it is stepped."""

    def __init__(self, suite: str, options: TabletopOptions, slots: int) -> None:
        self.contract = contract(suite, options)
        self.options = options
        self.slots = slots
        self.seconds = {"stepping": 0.0, "rendering": 0.0, "reset": 0.0}
        self._physics = dynamics.Physics(options.grasp_radius, options.friction)
        self._layouts = SUITES[suite]
        self._scenes = blank(slots)
        self._initial = lru_cache(maxsize=4096)(self._build)

    def reset_slots(self, slots: Sequence[int], starts: Sequence[Start]) -> Observation:
        rows = np.asarray(slots, np.int64)
        with self._timed("reset"):
            scenes = Scenes.concatenate([self._initial(start) for start in starts])
            self._scenes.put(rows, scenes)
        return self._observe(scenes)

    def step_slots(self, slots: Sequence[int], actions: FloatArray) -> list[ChunkResult]:
        """actions: float32 ``[len(slots), K, 3]``."""
        rows = np.asarray(slots, np.int64)
        with self._timed("stepping"):
            scenes = self._scenes.take(rows)
            if scenes.done.any():
                raise ValueError(f"slots {rows[scenes.done].tolist()} have no running episode: reset them first")
            before, taken = scenes.events.copy(), scenes.time.copy()
            run(scenes, actions, self._physics)
            self._scenes.put(rows, scenes)
        return self._results(scenes, scenes.time - taken, scenes.events & ~before)

    def demonstrate_many(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        """Demonstrate; the noise depends on `seed` and the start alone."""
        scenes = Scenes.concatenate([self._initial(start) for start in starts])
        noise = np.stack([self._noise(start, seed) for start in starts])
        observations, actions = [], []
        while not (done := scenes.done).all():
            observations.append(self._observe(scenes))
            action = expert(scenes, noise[np.arange(len(scenes)), scenes.time % noise.shape[1]])
            actions.append(action)
            dynamics.step(scenes, action, ~done, self._physics)
        batches, labels = Observation.concatenate(observations), np.stack(actions, 1)
        rows = np.arange(len(batches.proprio)).reshape(len(observations), len(starts))
        return [
            Demonstration(start, batches[rows[:length, k]], labels[k, :length], dynamics.event_names(int(events)))
            if success
            else None
            for k, (start, length, success, events) in enumerate(
                zip(starts, scenes.time, scenes.success, scenes.events, strict=True)
            )
        ]

    def film_slot(self, slot: int) -> ImageArray:
        image: ImageArray = film(self._scenes.take(np.array([slot])), FILM_SIZE)[0]
        return image

    def close(self) -> None:
        """Nothing is held."""

    def _build(self, start: Start) -> Scenes:
        return initial(self._layouts[start.task], start, self.options.jitter)

    def _noise(self, start: Start, seed: int) -> FloatArray:
        steps = self._layouts[0].step_limit
        random = np.random.default_rng([seed, start.task, start.index])
        return (random.standard_normal((steps, 2)) * self.options.expert_noise).astype(np.float32)

    def _observe(self, scenes: Scenes) -> Observation:
        with self._timed("rendering"):
            image = render(scenes, self.options.image_size)
        return Observation({CAMERA: image}, proprio(scenes))

    def _results(self, scenes: Scenes, steps: IntArray, new_events: IntArray) -> list[ChunkResult]:
        done = scenes.done
        live = np.flatnonzero(~done)
        row_of_slot = dict(zip(live.tolist(), range(len(live)), strict=True))
        observation = self._observe(scenes.take(live)) if len(live) else None
        return [
            ChunkResult(
                observation[row_of_slot[k]] if observation is not None and k in row_of_slot else None,
                int(steps[k]),
                bool(scenes.success[k]),
                bool(done[k]),
                dynamics.event_names(int(new_events[k])),
            )
            for k in range(len(scenes))
        ]

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - began


def run(scenes: Scenes, actions: FloatArray, physics: dynamics.Physics) -> None:
    """Execute a chunk of actions ``[N, K, 3]`` in place; an episode that ends inside it stays as it ended."""
    for k in range(actions.shape[1]):
        dynamics.step(scenes, actions[:, k], ~scenes.done, physics)


def proprio(scenes: Scenes) -> FloatArray:
    """float32 ``[N, 3]``, as `PROPRIO` says."""
    return np.concatenate([scenes.gripper * 2 - 1, np.where(scenes.closed, 1.0, -1.0)[:, None]], 1).astype(np.float32)
