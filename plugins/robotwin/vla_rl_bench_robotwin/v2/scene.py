"""One episode: a scene of RoboTwin's, chunks through its own trajectory planning, looks at it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.types import FloatArray, ImageArray, Observation
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.v2 import runtime
from vla_rl_bench_robotwin.v2.assets import Assets
from vla_rl_bench_robotwin.v2.randomness import Randomness

_STILL = 50  # physics steps for which an arm without a plan stands still: RoboTwin, `gen_sparse_reward_data`
_NEVER = 1_000_000_000  # actions: the environment counts them itself

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Executed:
    """Outcome of a chunk.  steps: actions begun, 1..K.  unplanned: arms that stood still since no plan was found."""

    steps: int
    success: bool
    unplanned: tuple[str, ...]


class Scene:
    """A task at a scene seed, at rest; one episode and no more.

    The random numbers that RoboTwin draws from process-wide generators are its own: scenes side by side do not mix.
    """

    def __init__(self, task: str, seed: int, options: RoboTwinOptions, assets: Assets) -> None:
        """Raises RoboTwin's `UnStableError` where the objects do not come to rest."""
        runtime.prepare(assets.folder())
        self._cameras = options.cameras
        self.randomness = Randomness()
        self.task: Any = runtime.task_class(task)()
        self.task.shader = options.shader
        self.task.image_size = (options.image_height, options.image_width)
        try:
            with self.randomness.swapped_in():
                random.seed(seed)
                self.task.setup_demo(
                    now_ep_num=seed, seed=seed, is_test=True, **runtime.arguments(task, options, assets)
                )
        except BaseException:
            self.close()
            raise
        self.task.step_lim = _NEVER
        self._lengths: dict[str, int] = {}
        for arm in ("left", "right"):
            planner = getattr(self.task.robot, f"{arm}_mplib_planner")
            planner.TOPP = self._listening(arm, planner.TOPP)

    def execute(self, actions: FloatArray, look: Callable[[], None] | None = None) -> Executed:
        """A chunk ``[K, 14]`` through RoboTwin's TOPP at 250 Hz; stops at the physics step that solves the task.

        RoboTwin deals the physics steps evenly to the actions; in that sense an action has begun or not.
        look: called when an action after the first begins.
        """
        self._lengths = {}
        self.task.checks = 0
        count, begun = len(actions), 1

        def watch() -> None:
            nonlocal begun
            while begun < count and self.task.checks * count >= begun * self._planned():
                begun += 1
                if look is not None:
                    look()

        self.task.watcher = watch
        with self.randomness.swapped_in():
            success = bool(self.task.gen_sparse_reward_data(actions.astype(np.float64))[3]["success"])
        self.task.watcher = None
        unplanned = tuple(arm for arm in ("left", "right") if not self._lengths.get(arm))
        return Executed(begun if success else count, success, unplanned)

    def _planned(self) -> int:
        """Physics steps of the chunk, as far as both arms' plans say."""
        return max(min(self._lengths.get(arm) or _STILL, 500) for arm in ("left", "right"))  # 500: RoboTwin's cap

    def _listening(self, arm: str, plan: Callable[..., Any]) -> Callable[..., Any]:
        def listened(*given: Any, **settings: Any) -> Any:
            planned = plan(*given, **settings)  # RoboTwin swallows what it raises; then no length is noted
            self._lengths[arm] = len(planned[1])
            return planned

        return listened

    def observe(self) -> Observation:
        """The cameras' images and the joints' targets, which are RoboTwin's ``joint_action/vector``."""
        with self.randomness.swapped_in(), self._looking():
            self.task._update_render()
            self.task.cameras.update_picture()
            pictures = self.task.cameras.get_rgb()
        images = {name: np.ascontiguousarray(pictures[name]["rgb"]) for name in self._cameras}
        return Observation(images, self.joints().astype(np.float32))

    def joints(self) -> Array:
        """float64 ``[14]``: six joint targets in radians and the gripper, 0 closed to 1 open, of each arm."""
        robot = self.task.robot
        return np.array([*robot.get_left_arm_jointState(), *robot.get_right_arm_jointState()], np.float64)

    def film(self) -> ImageArray:
        """uint8 ``[480, 640, 3]``: from beside the table."""
        with self.randomness.swapped_in(), self._looking():
            self.task._update_render()
            camera = self.task.cameras.world_camera1
            camera.take_picture()
            picture: ImageArray = (camera.get_picture("Color")[:, :, :3] * 255).clip(0, 255).astype(np.uint8)
        return picture

    def solved(self) -> bool:
        return bool(self.task.check_success())

    def close(self) -> None:
        """Free the simulator; RoboTwin drops its references, and cycles go with the next collection."""
        self.task.close_env(clear_cache=False)

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        self.task.looking = True
        try:
            yield
        finally:
            self.task.looking = False
