"""The environment: one episode at a time, each in a scene of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from vla_rl_bench.errors import EnvironmentFailure
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import ChunkResult, Demonstration, FloatArray, ImageArray, Observation, Start
from vla_rl_bench_robotwin.options import CHUNK, RoboTwinOptions
from vla_rl_bench_robotwin.tasks import tasks_of
from vla_rl_bench_robotwin.v2 import assets as assets_of
from vla_rl_bench_robotwin.v2 import expert, runtime, scene_seeds
from vla_rl_bench_robotwin.v2.contract import contract, seed_lists
from vla_rl_bench_robotwin.v2.scene import Executed, Scene
from vla_rl_bench_robotwin.v2.stopwatch import Stopwatch

PLANNING_FAILED = "planning-failed"  # TOPP found no timing for an arm's path: the arm stood still during the chunk


def make(suite: str, options: RoboTwinOptions, slots: int = 1) -> RoboTwinEnvironment:
    """The catalog's entry; slots is 1, as for every environment that is not batched."""
    return RoboTwinEnvironment(suite, options)


class RoboTwinEnvironment(EnvironmentBase):
    """RoboTwin 2.0, one episode at a time.

    ``Start.task`` is the task's index in its column, ``Start.index`` a place in a list of scene seeds (`scene_seeds`).
    A chunk's path is timed as a whole, so that a chunk is not what its actions would be one by one.
    """

    def __init__(self, suite: str, options: RoboTwinOptions, *, listed: bool = True) -> None:
        """listed: starts are places in lists of scene seeds, where there are lists."""
        self.options, self._tasks = options, tasks_of(suite)
        self._assets = assets_of.choose(options, self._tasks)
        self._seeds = seed_lists(options, self._assets) if listed else None
        self.contract = contract(suite, options, self._assets, self._seeds)
        action = self.contract.action
        self._low, self._high = np.array(action.low, np.float32), np.array(action.high, np.float32)
        self._scene: Scene | None = None
        self._taken = self._limit = 0
        self._stopwatch = Stopwatch("stepping", "rendering", "reset")
        self.seconds = self._stopwatch.seconds

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """``options={"start": Start}``; `seed` changes nothing: a start is a whole description."""
        start: Start = (options or {})["start"]
        self._begin(start)
        return self._look(), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """gymnasium's step, a chunk of one action; the reward is 1 at success."""
        done = self._execute(np.asarray(action)[None])
        return self._look(), float(done.success), done.success, self._taken >= self._limit, {"events": _events(done)}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        """Actions ``[K, 14]``, as one path; stops at the physics step that solves the task, or at the step limit."""
        executed = self._execute(actions[: self._limit - self._taken])
        done = executed.success or self._taken >= self._limit
        return ChunkResult(None if done else self._look(), executed.steps, executed.success, done, _events(executed))

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """The task's own expert, as chunks of waypoints that solve the start; None where none do.

        One observation an action, seen where it begins in its chunk.
        """
        actions = self.solve(start, seed)
        if actions is None:
            return None
        observations: list[Observation] = []
        taken = self._replay(start, actions, lambda: observations.append(self._look()))
        if taken != len(actions):
            raise RuntimeError(f"{start}: {len(actions)} actions solved it, and again {taken} of them do")
        return Demonstration(start, Observation.stack(observations[:taken]), actions)

    def solve(self, start: Start, seed: int) -> FloatArray | None:
        """The expert's actions ``[T, 14]``, which solve the start in chunks of 25; the last is the one that does.

        What is left of a chunk shapes its path too, so that actions are played again when they are cut.
        """
        targets = self._play_expert(start, seed)
        if targets is None:
            return None
        for spacing in expert.spacings(self.options.expert_spacing):
            actions = np.clip(expert.waypoints(targets, spacing), self._low, self._high)
            while taken := self._replay(start, actions):
                if taken == len(actions):
                    return actions
                actions = actions[:taken]
        return None

    def film(self) -> ImageArray:
        """uint8 ``[480, 640, 3]``: the scene as it is now, from beside the table."""
        return self.scene.film()

    def close(self) -> None:
        if self._scene is not None:
            self._scene.close()
            self._scene = None
            gc.collect()  # RoboTwin's objects hold each other

    @property
    def scene(self) -> Scene:
        """The episode's."""
        if self._scene is None:
            raise RuntimeError("call reset before anything else")
        return self._scene

    def _begin(self, start: Start) -> None:
        with self._stopwatch.measure("reset"):
            self._build(start)

    def _build(self, start: Start) -> None:
        self.close()
        task = self._tasks[start.task].name
        runtime.prepare(self._assets.folder())
        self._taken, self._limit = 0, self.contract.tasks[start.task].step_limit
        for seed in scene_seeds.candidates(self._seeds, task, start.index):
            try:
                self._scene = Scene(task, seed, self.options, self._assets)
                return
            except runtime.unstable():
                continue
        raise EnvironmentFailure(f"{task}, start {start.index}: no scene seed that was tried comes to rest")

    def _execute(self, actions: FloatArray) -> Executed:
        if not np.isfinite(actions).all():
            raise ValueError("an action is not finite: joints driven there would break the simulation")
        with self._stopwatch.measure("stepping"):
            executed = self.scene.execute(np.clip(actions, self._low, self._high))
        self._taken += executed.steps
        return executed

    def _look(self) -> Observation:
        with self._stopwatch.measure("rendering"):
            return self.scene.observe()

    def _play_expert(self, start: Start, seed: int) -> FloatArray | None:
        self._begin(start)
        draw = np.random.default_rng([seed, start.task, start.index])
        with self._stopwatch.measure("stepping"):
            return expert.play(self.scene, int(draw.integers(2**31)))

    def _replay(self, start: Start, actions: FloatArray, look: Callable[[], None] | None = None) -> int:
        """Play the actions as an episode of chunks; return how many of them solve the start, or 0.

        Args:
            look: Called before each action.
        """
        self._begin(start)
        while self._taken < min(self._limit, len(actions)):
            if look is not None:
                look()
            chunk = actions[self._taken : min(self._taken + CHUNK, self._limit)]
            with self._stopwatch.measure("stepping"):
                executed = self.scene.execute(chunk, look)
            self._taken += executed.steps
            if executed.success:
                return self._taken
        return 0


def _events(executed: Executed) -> tuple[str, ...]:
    return (PLANNING_FAILED,) if executed.unplanned else ()
