"""One episode of a RoboTwin 1.0 task: its class, its head camera, and chunks of joint targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vla_rl_bench.types import FloatArray, ImageArray, Observation
from vla_rl_bench_robotwin.options import RoboTwin1Options
from vla_rl_bench_robotwin.v1 import checkout as checkouts
from vla_rl_bench_robotwin.v1 import chunk

_FOVY = 37  # degrees; task_config/_camera_config.yml: D435
_ARMS = (slice(0, 7), slice(7, 14))  # of an action


class Scene:
    """A task set up from a seed.  `failed`: an object has fallen, which the branch's loops end an episode at."""

    def __init__(self, checkout: Path, name: str, seed: int, options: RoboTwin1Options) -> None:
        self.task: Any = _with_shader(checkouts.task_class(name), options.shader)()
        size = {"fovy": _FOVY, "w": options.image_width, "h": options.image_height}
        cameras = {f"{camera}_camera_{key}": size[key] for camera in ("head", "wrist", "front") for key in size}
        self.task.setup_demo(now_ep_num=0, seed=seed, is_test=True, task_name=name, render_freq=0, **cameras)
        self.task.actor_pose = True  # the branch's loops set it, and `check_success` clears it

    @property
    def failed(self) -> bool:
        return not self.task.actor_pose

    @property
    def success(self) -> bool:
        return bool(self.task.check_success())

    def proprio(self) -> FloatArray:
        """float32 ``[14]``: six joints in radians and the gripper, 0 closed and 1 open, left then right."""
        both = [self.task.get_left_arm_jointState(), self.task.get_right_arm_jointState()]
        return np.concatenate([[*arm[:6], arm[6] / chunk.OPEN] for arm in both]).astype(np.float32)

    def look(self) -> ImageArray:
        """uint8 ``[H, W, 3]`` of the head camera."""
        self.task._update_render()
        self.task.head_camera.take_picture()
        return np.ascontiguousarray(self.task._get_camera_rgba(self.task.head_camera)[..., :3])

    def observe(self) -> Observation:
        return Observation({"head_camera": self.look()}, self.proprio())

    def execute(self, actions: FloatArray) -> tuple[bool, tuple[str, ...]]:
        """Execute a chunk ``[K, 14]`` as one path per arm, timed by TOPP; return the success and the events.

        As `apply_dp` does: each arm's path goes from where it is through its actions, and success is asked for after
        every physics step.  An arm that TOPP finds no timing for stands still.  Unlike there, the chunk is cut where an
        arm begins or ceases to move, and an arm that rests still moves its gripper: TOPP knows no path of one point.
        """
        events: list[str] = []
        for part in self._parts(actions):
            now = self.proprio()
            sides = [chunk.Side(self.task, side, now[joints], part[:, joints]) for side, joints in enumerate(_ARMS)]
            events += ["planning-failed" for side in sides if side.failed]
            if self._play(sides):
                return True, tuple(events)
            if self.failed:
                break
        return False, tuple(events)

    def _parts(self, actions: FloatArray) -> list[FloatArray]:
        """The chunk, cut where an arm begins or ceases to move."""
        path = np.concatenate([self.proprio()[None], actions])
        moves = np.stack([np.abs(np.diff(path[:, arm][:, :6], axis=0)).max(axis=1) > chunk.STILL for arm in _ARMS], 1)
        cuts = np.flatnonzero((moves[1:] != moves[:-1]).any(axis=1)) + 1
        return np.split(actions, cuts)

    def _play(self, sides: list[chunk.Side]) -> bool:
        """Both arms from where they are to the end of their paths, which they reach together."""
        longest = max(side.steps for side in sides)
        for step in range(1, longest + 1):
            self.task.robot.set_qf(self.task.robot.compute_passive_force(gravity=True, coriolis_and_centrifugal=True))
            for side in sides:
                side.follow(step * side.steps // longest)
            self.task.scene.step()
            if self.success:
                return True
            if self.failed:
                break
        return False

    def play_expert(self, every: int, watch: Callable[[], None]) -> bool:
        """Run the task's own script, with `watch` called every few physics steps; return the success."""
        self.task.scene = _Watched(self.task.scene, every, watch)
        self.task.play_once()
        self.task.scene = self.task.scene.scene
        return bool(self.task.plan_success) and self.success


class _Watched:
    """A SAPIEN scene that tells of its steps."""

    def __init__(self, scene: Any, every: int, watch: Callable[[], None]) -> None:
        self.scene, self._every, self._watch, self._steps = scene, every, watch, 0

    def step(self) -> None:
        if self._steps % self._every == 0:
            self._watch()
        self._steps += 1
        self.scene.step()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scene, name)


def _with_shader(task: type, shader: str) -> type:
    """The class renders by ray tracing, 32 samples a pixel; another shader takes its place before there are cameras."""

    def setup_scene(self: Any, **settings: Any) -> None:
        task.setup_scene(self, **settings)  # type: ignore[attr-defined]  # every task class has it
        if shader != "rt":
            import sapien

            sapien.render.set_camera_shader_dir(shader)

    return type(task.__name__, (task,), {"setup_scene": setup_scene})
