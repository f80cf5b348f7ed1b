"""RoboTwin 1.0 as an environment: the branch's own classes, driven in chunks."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import ChunkResult, Demonstration, FloatArray, ImageArray, Observation, Start
from vla_rl_bench_robotwin.options import RoboTwin1Options
from vla_rl_bench_robotwin.v1 import checkout as checkouts
from vla_rl_bench_robotwin.v1.contract import contract
from vla_rl_bench_robotwin.v1.scene import Scene
from vla_rl_bench_robotwin.v1.tasks import tasks_of

_EVERY = 15  # physics steps between two rows of a demonstration; task_config/<task>.yml: save_freq


def make(suite: str, options: RoboTwin1Options, slots: int = 1) -> RoboTwin1Environment:
    """The catalog's entry.  Raises `UserError` where there is no checkout, or no meshes for a task that needs them."""
    return RoboTwin1Environment(suite, options)


class RoboTwin1Environment(EnvironmentBase):
    """RoboTwin 1.0, one episode at a time.

    Several environments of a process share its working folder, so they agree on real or procedural assets.
    ``Start.index`` is the scene's seed.
    """

    def __init__(self, suite: str, options: RoboTwin1Options) -> None:
        self.options, self._tasks = options, tasks_of(suite)
        self._checkout = checkouts.require()
        procedural = self._procedural()
        checkouts.enter(self._checkout, procedural=procedural)
        self.contract = contract(suite, self._checkout, options, procedural=procedural)
        self._low = np.array(self.contract.action.low, np.float32)
        self._high = np.array(self.contract.action.high, np.float32)
        self._scene: Scene | None = None
        self._taken = self._limit = 0
        self.seconds: dict[str, float] = {"stepping": 0.0, "rendering": 0.0, "reset": 0.0}

    def _procedural(self) -> bool:
        meshed = [task.name for task in self._tasks if not task.mesh_free]
        procedural = self.options.assets == "procedural" or (
            self.options.assets == "auto" and not meshed and not checkouts.has_robot(self._checkout)
        )
        if procedural and meshed:
            raise UserError(f"environment.assets: {', '.join(meshed)} cannot do without meshes; write `assets: real`")
        if not procedural and not checkouts.has_robot(self._checkout):
            raise UserError(
                f"robotwin1: {self._checkout} holds no {checkouts.ROBOT}. Run there: python script/download_asset.py "
                "&& unzip aloha_urdf.zip && unzip main_models.zip"
            )
        return procedural

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """``options={"start": Start}``; `seed` changes nothing: a start is a whole description."""
        start: Start = (options or {})["start"]
        with self._timed("reset"):
            self._begin(start)
        return self._look(), {}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """gymnasium's step, a chunk of one action; the reward is 1 at success."""
        success, events = self._execute(np.asarray(action)[None])
        return self._look(), float(success), success, self._over, {"events": events}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        """Actions ``[K, 14]`` as one path; success is asked for at every physics step."""
        chunk = actions[: self._limit - self._taken]
        success, events = self._execute(chunk)
        done = success or self._over
        return ChunkResult(None if done else self._look(), len(chunk), success, done, events)

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """The task's own script; the action of a row is where both arms are told to be at the next one."""
        self._begin(start)
        rows: list[Observation] = []
        with self._timed("stepping"):
            solved = self.scene.play_expert(_EVERY, lambda: rows.append(self.scene.observe()))
        if not solved:
            return None
        targets = np.stack([row.proprio for row in rows[1:]] + [self.scene.proprio()])
        return Demonstration(start, Observation.stack(rows), np.clip(targets, self._low, self._high))

    def film(self) -> ImageArray:
        return self.scene.look()

    def close(self) -> None:
        if self._scene is not None:
            self._scene = None
            gc.collect()  # the classes' objects hold each other

    @property
    def scene(self) -> Scene:
        """The episode's."""
        if self._scene is None:
            raise RuntimeError("call reset before anything else")
        return self._scene

    @property
    def _over(self) -> bool:
        return self._taken >= self._limit or self.scene.failed

    def _begin(self, start: Start) -> None:
        self.close()
        task = self.contract.tasks[start.task]
        self._taken, self._limit = 0, task.step_limit
        self._scene = Scene(self._checkout, task.name, start.index, self.options)

    def _execute(self, actions: FloatArray) -> tuple[bool, tuple[str, ...]]:
        with self._timed("stepping"):
            success, events = self.scene.execute(np.clip(actions, self._low, self._high))
        self._taken += len(actions)
        return success, events

    def _look(self) -> Observation:
        with self._timed("rendering"):
            return self.scene.observe()

    @contextmanager
    def _timed(self, activity: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[activity] += time.perf_counter() - started
