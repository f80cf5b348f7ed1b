"""A cart on a track.  It moves left or right, and must reach the mark that the instruction names.  NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_rl_bench.types import (
    ActionSpec,
    Demonstration,
    EnvironmentSpec,
    FloatArray,
    ImageSpec,
    Observation,
    Start,
    TaskSpec,
)
from vla_rl_bench_cart.options import CartOptions

WIDTH, HEIGHT = 24, 8  # pixels
SPEED = 0.2  # half tracks in one step
STEP_LIMIT = 10
SIDES = {"left": -1.0, "right": 1.0}
REACH = {"short": 0.5, "long": 0.8}  # task suite -> the farthest mark


def make(suite: str, options: CartOptions, slots: int) -> Cart:
    return Cart(suite, options)


def contract(suite: str, options: CartOptions) -> EnvironmentSpec:
    return EnvironmentSpec(
        name="cart",
        suite=suite,
        protocol=f"cart-1/{suite}/limit-{STEP_LIMIT}/tolerance-{options.tolerance:g}",
        tasks=tuple(TaskSpec(f"go-{side}", f"go to the {side} mark", STEP_LIMIT) for side in SIDES),
        images=(ImageSpec("side", HEIGHT, WIDTH, "upright"),),
        proprio=("x, -1 left to 1 right",),
        action=ActionSpec(names=("dx",), low=(-1.0,), high=(1.0,), noop=(0.0,), gripper="none", rotation="none"),
        splits={"demonstration": (0, 50), "training": (50, 1000), "held-out": (1000, 1100)},
        versions={"numpy": np.__version__},
    )


class Cart:
    """`vla_rl_bench.interfaces.Environment` with an expert; it has no `step_chunk`, `film` or `seconds`."""

    def __init__(self, suite: str, options: CartOptions) -> None:
        self.contract = contract(suite, options)
        self._reach, self._tolerance = REACH[suite], options.tolerance

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        start: Start = (options or {})["start"]
        random = np.random.default_rng([start.task, start.index])
        self._marks = np.array([side * random.uniform(0.3, self._reach) for side in SIDES.values()])
        self._x, self._task, self._steps = float(random.uniform(-0.2, 0.2)), start.task, 0
        return self._observe(), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        before = self._x
        self._x = float(np.clip(self._x + SPEED * np.clip(action[0], -1, 1), -1, 1))
        self._steps += 1
        reached = abs(self._marks[self._task] - self._x) < self._tolerance
        events = ["reversed"] if (self._x - before) * self._marks[self._task] < 0 else []
        late = self._steps >= STEP_LIMIT
        return self._observe(), float(reached), bool(reached), late and not reached, {"events": events}

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        observation, _ = self.reset(options={"start": start})
        observations, actions, reached, late = [], [], False, False
        while not (reached or late):
            observations.append(observation)
            actions.append(np.clip([(self._marks[self._task] - self._x) / SPEED], -1, 1).astype(np.float32))
            observation, _, reached, late, _ = self.step(actions[-1])
        return Demonstration(start, Observation.stack(observations), np.stack(actions)) if reached else None

    def close(self) -> None:
        pass

    def _observe(self) -> Observation:
        image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
        for mark, colour in zip(self._marks, ((220, 60, 60), (60, 60, 220)), strict=True):
            image[HEIGHT // 2 :, self._pixel(mark)] = colour
        image[: HEIGHT // 2, self._pixel(self._x)] = 255
        return Observation({"side": image}, np.array([self._x], np.float32))

    @staticmethod
    def _pixel(x: float) -> int:
        return round((x + 1) / 2 * (WIDTH - 1))
