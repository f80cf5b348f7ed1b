"""The Meta-World environment, rendered once per chunk.  Runs in a worker under Meta-World's own interpreter."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import ChunkResult, Demonstration, FloatArray, ImageArray, Observation, Start
from vla_rl_bench_metaworld.contract import CAMERA, contract, proprio
from vla_rl_bench_metaworld.options import MetaworldOptions

if TYPE_CHECKING:
    from vla_rl_bench_metaworld.simulator import Simulator

MAX_SIMULATORS = 10  # tasks whose simulators stay built, as many as MT10 has; a render context takes about 30 MB
FILM_SIZE = 240  # pixels, height and width


def make(suite: str, options: MetaworldOptions, slots: int) -> MetaWorld:
    """Build the environment of a suite; `slots` is 1, as for every environment that is not batched."""
    os.environ.setdefault("MUJOCO_GL", "egl")  # before MuJoCo is imported; a user's own value is kept
    return MetaWorld(suite, options)


class MetaWorld(EnvironmentBase):
    """Meta-World with its experts, one episode at a time."""

    def __init__(self, suite: str, options: MetaworldOptions) -> None:
        self.contract = contract(suite, options)
        self.seconds: dict[str, float] = {"stepping": 0.0, "rendering": 0.0, "reset": 0.0}
        self._options = options
        self._simulators: OrderedDict[int, Simulator] = OrderedDict()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        self._begin((options or {})["start"])
        return self._observe(), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        success, at_limit = self._advance(action)
        return self._observe(), float(success), success, at_limit and not success, {}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        """Take actions float32 [K, 4]; render once, after the last, unless the episode has ended."""
        for steps, action in enumerate(actions, start=1):
            success, at_limit = self._advance(action)
            if success or at_limit:
                return ChunkResult(None, steps, success, True)
        return ChunkResult(self._observe(), len(actions), False, False)

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """Play the expert without rendering; if it succeeds, play its actions again with rendering."""
        from vla_rl_bench_metaworld.expert import Expert

        expert = Expert(self.contract.tasks[start.task].name, self._options.expert_noise, start, seed)
        self._begin(start)
        labels, executed, success, at_limit = [], [], False, False
        while not (success or at_limit):
            label, action = expert.act(self._state)
            labels.append(label)
            executed.append(action)
            success, at_limit = self._advance(action)
        if not success:
            return None
        self._begin(start)
        observations = [self._observe()]
        for action in executed[:-1]:
            self._advance(action)
            observations.append(self._observe())
        return Demonstration(start, Observation.stack(observations), np.stack(labels))

    def film(self) -> ImageArray:
        """Render the scene as it is now, uint8 [240, 240, 3]."""
        return self._simulator.render(FILM_SIZE)

    def close(self) -> None:
        while self._simulators:
            self._simulators.popitem()[1].close()

    def _begin(self, start: Start) -> None:
        with self._timed("reset"):
            self._simulator = self._simulator_of(start.task)
            self._state: NDArray[np.float64] = self._simulator.reset(start.index)
        self._limit, self._steps = self.contract.tasks[start.task].step_limit, 0

    def _simulator_of(self, task: int) -> Simulator:
        """Return the task's simulator, built at its first use; the least recently used one is closed."""
        if task not in self._simulators:
            from vla_rl_bench_metaworld.simulator import Simulator

            if len(self._simulators) == MAX_SIMULATORS:
                self._simulators.popitem(last=False)[1].close()
            self._simulators[task] = Simulator(self.contract.tasks[task].name, self._options)
        self._simulators.move_to_end(task)
        return self._simulators[task]

    def _advance(self, action: FloatArray) -> tuple[bool, bool]:
        """Take an action; return two flags: success, and step limit reached."""
        with self._timed("stepping"):
            self._state, success = self._simulator.step(action)
        self._steps += 1
        return success, self._steps >= self._limit

    def _observe(self) -> Observation:
        with self._timed("rendering"):
            image = self._simulator.render(self._options.image_size)
        return Observation({CAMERA: image}, proprio(self._state))

    @contextmanager
    def _timed(self, activity: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[activity] += time.perf_counter() - start
