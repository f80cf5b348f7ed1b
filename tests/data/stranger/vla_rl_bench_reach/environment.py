"""A point must reach the square that the instruction names.  NumPy only: this runs in a worker process."""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import (
    ActionSpec,
    Demonstration,
    EnvironmentSpec,
    FloatArray,
    ImageArray,
    ImageSpec,
    Observation,
    Start,
    TaskSpec,
)
from vla_rl_bench_reach.options import ReachOptions

SIZE = 24  # pixels a side
SPEED = 0.15  # half-widths of the table in one step
STEP_LIMIT = 12
SQUARES = {"red": (-0.5, 0.0), "blue": (0.5, 0.0)}  # where they lie on average; the table is [-1, 1] x [-1, 1]
COLORS = {"red": (220, 50, 50), "blue": (60, 90, 220)}
SCATTER = {"near": 0.2, "far": 0.4}  # task suite -> how far from there, at most, on each axis


def make(suite: str, options: ReachOptions, slots: int) -> Reach:
    """The entry's `make`.  slots: 1, unless the entry says ``batched=True``."""
    return Reach(suite, options)


def contract(suite: str, options: ReachOptions) -> EnvironmentSpec:
    """What the environment declares of itself."""
    return EnvironmentSpec(
        name="reach",
        suite=suite,
        protocol=f"reach-1/limit-{STEP_LIMIT}/tolerance-{options.tolerance:g}",
        tasks=tuple(TaskSpec(f"reach-{color}", f"reach the {color} square", STEP_LIMIT) for color in SQUARES),
        images=(ImageSpec("top", SIZE, SIZE, "upright"),),
        proprio=("x, -1 left to 1 right", "y, -1 bottom to 1 top"),
        action=ActionSpec(
            names=("dx", "dy"), low=(-1.0, -1.0), high=(1.0, 1.0), noop=(0.0, 0.0), gripper="none", rotation="none"
        ),
        splits={"demonstration": (0, 100), "training": (100, 10_000), "held-out": (10_000, 11_000)},
        versions={"numpy": np.__version__},
    )


class Reach(EnvironmentBase):
    """The environment, with an expert."""

    def __init__(self, suite: str, options: ReachOptions) -> None:
        self.contract = contract(suite, options)
        self._options, self._scatter = options, SCATTER[suite]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        start: Start = (options or {})["start"]
        random = np.random.default_rng([start.task, start.index])  # the start says everything: no other randomness
        self._squares = np.array(list(SQUARES.values())) + random.uniform(-self._scatter, self._scatter, (2, 2))
        self._point = random.uniform(-0.2, 0.2, 2)
        self._task, self._steps = start.task, 0
        return self._observe(), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._point = np.clip(self._point + SPEED * np.clip(action, -1, 1), -1, 1)
        self._steps += 1
        reached = bool(np.abs(self._squares[self._task] - self._point).max() < self._options.tolerance)
        late = self._steps >= STEP_LIMIT
        return self._observe(), float(reached), reached, late and not reached, {}

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """The expert goes straight there; its episode, or None where it fails."""
        observation, _ = self.reset(options={"start": start})
        observations, actions, reached, late = [], [], False, False
        while not (reached or late):
            way = (self._squares[self._task] - self._point) / SPEED
            observations.append(observation)
            actions.append(np.clip(way, -1, 1).astype(np.float32))
            observation, _, reached, late, _ = self.step(actions[-1])
        return Demonstration(start, Observation.stack(observations), np.stack(actions)) if reached else None

    def close(self) -> None:
        """Nothing is held.  May be called twice."""

    def _observe(self) -> Observation:
        return Observation({"top": self._draw()}, self._point.astype(np.float32))

    def _draw(self) -> ImageArray:
        """The squares and the point, seen from above; y grows upwards, so row 0 is y = 1."""
        image = np.full((SIZE, SIZE, 3), 30, np.uint8)
        things = [*zip(self._squares, COLORS.values(), strict=True), (self._point, (255, 255, 255))]
        for place, color in things:
            column, row = ((place * (1, -1) + 1) / 2 * (SIZE - 1)).round().astype(int)
            image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = color
        return image
