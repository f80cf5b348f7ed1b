"""The environment: one episode at a time, the simulators of its last tasks kept."""

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
    """The catalog's entry; slots is 1, as for every environment that is not batched."""
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
        self._taken = 0
        self._stopwatch = Stopwatch("stepping", "rendering", "reset")
        self.seconds = self._stopwatch.seconds

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """``options={"start": Start}``; `seed` changes nothing: a start is a whole description."""
        start: Start = (options or {})["start"]
        with self._stopwatch.measure("reset"):
            simulator = self._current = self.simulator(start.task)
            self._taken = 0
            frame = simulator.reset(start.index, SETTLE_STEPS)
        return observation(frame, simulator.base), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """gymnasium's step; the reward is 1 at success."""
        success, frame = self._act(action, look=True)
        assert frame is not None
        seen = observation(frame, self.active.base)
        return seen, float(success), success, self._taken >= self._limit, {}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        """Actions ``[K, 7]`` in order, until the episode ends; rendered once, after the last, unless it has ended."""
        success, frame, steps = False, None, 0
        for action in actions[: self._limit - self._taken]:
            last = steps == len(actions) - 1 and self._taken + 1 < self._limit
            success, frame = self._act(action, look=last)
            steps += 1
            if success:
                break
        done = success or self._taken >= self._limit
        seen = None if done or frame is None else observation(frame, self.active.base)
        return ChunkResult(seen, steps, success, done)

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """The scripted expert's episode; None where it failed within the step limit."""
        from vla_rl_bench_libero.demonstrate import demonstrate  # imports MuJoCo, which must see GL's variables first

        return demonstrate(self, start, seed)

    def film(self) -> ImageArray:
        """uint8 ``[H, W, 3]``: the scene as it is now."""
        return self.active.film()

    def close(self) -> None:
        atexit.unregister(self.close)
        while self._simulators:
            self._simulators.popitem()[1].close()
        self._current = None

    @property
    def active(self) -> Simulator:
        """The simulator of the episode."""
        if self._current is None:
            raise RuntimeError("call reset before anything else")
        return self._current

    def simulator(self, task: int) -> Simulator:
        """The task's simulator, built at its first use (about 4 s and 1 GB); another's is closed where there are
        as many as `LiberoOptions.simulators` allows."""
        found = self._simulators.pop(task, None)
        if found is None:
            while len(self._simulators) >= self.options.simulators:
                self._close_oldest()
            found = _build(self._suite, task, self.options, self._stopwatch)
            atexit.unregister(self.close)
            atexit.register(self.close)  # runs before EGL's own handler, after which every GL call fails
        self._simulators[task] = found  # the order is that of their last use
        return found

    def _close_oldest(self) -> None:
        oldest = self._simulators.pop(next(iter(self._simulators)))
        if oldest is self._current:
            self._current = None
        oldest.close()

    def _act(self, action: FloatArray, look: bool) -> tuple[bool, Frame | None]:
        with self._stopwatch.measure("stepping"):
            self._taken += 1
            return self.active.step(np.asarray(action, np.float64), look)


def _build(suite: str, task: int, options: LiberoOptions, stopwatch: Stopwatch) -> Simulator:
    if options.driver == "reference":
        from vla_rl_bench_libero.reference import ReferenceSimulator

        return ReferenceSimulator(suite, task, options.image_size, stopwatch)
    return tuned_simulator(suite, task, options, stopwatch)


def tuned_simulator(
    suite: str, task: int, options: LiberoOptions, stopwatch: Stopwatch | None = None
) -> TunedSimulator:
    """The tuned driver of a task, rendering as `options` say."""
    from vla_rl_bench_libero.fast_render import fast_rendering
    from vla_rl_bench_libero.tuned import TunedSimulator

    stopwatch = stopwatch or Stopwatch("stepping", "rendering", "reset")
    if options.rendering == "fast":
        simulator = TunedSimulator(suite, task, options.image_size, stopwatch, fast_rendering, prune=False)
    else:
        simulator = TunedSimulator(suite, task, options.image_size, stopwatch)
    simulator.starts.sampled = options.sampled_starts
    return simulator
