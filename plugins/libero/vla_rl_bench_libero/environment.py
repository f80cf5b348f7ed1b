"""The LIBERO environment: one episode at a time; the simulators of recent tasks stay built."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

import numpy as np

from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import ChunkResult, Demonstration, FloatArray, ImageArray, Observation, Start
from vla_rl_bench_libero.contract import contract
from vla_rl_bench_libero.opengl import choose_backend
from vla_rl_bench_libero.options import SETTLE_STEPS, LiberoOptions
from vla_rl_bench_libero.simulator import Frame, Simulator, observation
from vla_rl_bench_libero.stopwatch import Stopwatch

if TYPE_CHECKING:
    from vla_rl_bench_libero.tuned import TunedSimulator


def make(suite: str, options: LiberoOptions, slots: int = 1) -> LiberoEnvironment:
    """Build the environment of a suite; `slots` is 1, as for every environment that is not batched."""
    return LiberoEnvironment(suite, options)


class LiberoEnvironment(EnvironmentBase):
    """LIBERO, one episode at a time.

    ``Start.task`` is the task's index in its suite, ``Start.index`` the official init state, 0 to 49, or a
    sampled one from 50 on.
    """

    def __init__(self, suite: str, options: LiberoOptions) -> None:
        self.contract = contract(suite, options, choose_backend())
        self.options = options
        self._suite, self._limit = suite, options.limit(suite)
        self._simulators: dict[int, Simulator] = {}
        self._current: Simulator | None = None
        self._steps = 0
        self._stopwatch = Stopwatch("stepping", "rendering", "reset")
        self.seconds = self._stopwatch.seconds

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode of ``options={"start": Start}``; `seed` is ignored, since a start describes all of it."""
        start: Start = (options or {})["start"]
        with self._stopwatch.measure("reset"):
            simulator = self._current = self.simulator(start.task)
            self._steps = 0
            frame = simulator.reset(start.index, SETTLE_STEPS)
        return observation(frame, simulator.base), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take an action as in gymnasium; the reward is 1 at success."""
        success, frame = self._act(action, render=True)
        assert frame is not None
        return observation(frame, self.active.base), float(success), success, self._steps >= self._limit, {}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        """Take actions ``[K, 7]`` until the episode ends; render once, after the last, unless the episode has ended."""
        success, frame, steps = False, None, 0
        for action in actions[: self._limit - self._steps]:
            render = steps == len(actions) - 1 and self._steps + 1 < self._limit
            success, frame = self._act(action, render=render)
            steps += 1
            if success:
                break
        done = success or self._steps >= self._limit
        final = None if done or frame is None else observation(frame, self.active.base)
        return ChunkResult(final, steps, success, done)

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """Play the scripted expert's episode; None if it fails within the step limit."""
        from vla_rl_bench_libero.demonstrate import demonstrate  # imports MuJoCo, which must see GL's variables first

        return demonstrate(self, start, seed)

    def film(self) -> ImageArray:
        """Render the scene as it is now, uint8 ``[H, W, 3]``."""
        return self.active.film()

    def close(self) -> None:
        atexit.unregister(self.close)
        while self._simulators:
            self._simulators.popitem()[1].close()
        self._current = None

    @property
    def active(self) -> Simulator:
        """The simulator of the current episode."""
        if self._current is None:
            raise RuntimeError("call reset before anything else")
        return self._current

    def simulator(self, task: int) -> Simulator:
        """Return the task's simulator, built at its first use (about 4 s and 1 GB).

        The least recently used one is closed if there are as many as `LiberoOptions.simulators` allows.
        """
        simulator = self._simulators.pop(task, None)
        if simulator is None:
            while len(self._simulators) >= self.options.simulators:
                self._close_oldest()
            simulator = _build(self._suite, task, self.options, self._stopwatch)
            atexit.unregister(self.close)
            atexit.register(self.close)  # runs before EGL's own handler, after which GL calls fail
        self._simulators[task] = simulator  # ordered by last use
        return simulator

    def _close_oldest(self) -> None:
        oldest = self._simulators.pop(next(iter(self._simulators)))
        if oldest is self._current:
            self._current = None
        oldest.close()

    def _act(self, action: FloatArray, render: bool) -> tuple[bool, Frame | None]:
        with self._stopwatch.measure("stepping"):
            self._steps += 1
            return self.active.step(np.asarray(action, np.float64), render)


def _build(suite: str, task: int, options: LiberoOptions, stopwatch: Stopwatch) -> Simulator:
    if options.driver == "reference":
        from vla_rl_bench_libero.reference import ReferenceSimulator

        return ReferenceSimulator(suite, task, options.image_size, stopwatch)
    return tuned_simulator(suite, task, options, stopwatch)


def tuned_simulator(
    suite: str, task: int, options: LiberoOptions, stopwatch: Stopwatch | None = None
) -> TunedSimulator:
    """Build the tuned driver of a task, with the rendering of `options`."""
    from vla_rl_bench_libero.fast_render import fast_rendering
    from vla_rl_bench_libero.tuned import TunedSimulator

    stopwatch = stopwatch or Stopwatch("stepping", "rendering", "reset")
    if options.rendering == "fast":
        simulator = TunedSimulator(suite, task, options.image_size, stopwatch, fast_rendering, prune=False)
    else:
        simulator = TunedSimulator(suite, task, options.image_size, stopwatch)
    simulator.starts.sampled = options.sampled_starts
    return simulator
