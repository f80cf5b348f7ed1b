"""The runtime, imported and mended: rlinf-robotwin-runtime's task classes on mplib and a renderer of one's choice."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.v2.assets import Assets
from vla_rl_bench_robotwin.v2.planning import remember_plans

INSTALL = "vla-rl-bench env create robotwin"
Array = NDArray[np.float64]


@cache
def prepare(root: Path) -> object:
    """Import what every task needs; the asset tree is read on the way.

    What is returned, and kept by the cache, holds the Vulkan device: were the last scene to take it along, the next one
    would compile every shader again, 5 to 12 CPU seconds on lavapipe.
    """
    os.environ["ROBOTWIN_ASSETS_ROOT"] = os.environ["ASSETS_PATH"] = str(root)
    try:
        sapien = importlib.import_module("sapien")
        importlib.import_module("robotwin.envs._base_task")
    except ImportError as error:
        raise MissingRequirement(f"robotwin2: the worker's interpreter lacks {error.name}", INSTALL) from error
    _mend_mplib()
    with _readable_errors():
        return sapien.render.RenderSystem()


def _mend_mplib() -> None:
    """mplib 0.2.1 takes the move group's joints for a robot's first ones; those of two arms alternate."""
    planner = importlib.import_module("mplib.planner").Planner

    def pad_move_group_qpos(self: Any, qpos: Array, articulation: Any = None) -> Array:
        robot = articulation or self.robot
        if len(qpos) != robot.get_move_group_qpos_dim():
            return qpos
        whole: Array = robot.get_qpos().copy()
        whole[self.move_group_joint_indices] = qpos
        return whole

    planner.pad_move_group_qpos = pad_move_group_qpos


def task_class(name: str) -> type[Any]:
    """RoboTwin's class of a task, with `Tuned` in front."""
    base = getattr(importlib.import_module(f"robotwin.envs.{name}"), name)
    return type(name, (Tuned, base), {})


def unstable() -> type[Exception]:
    """The exception that `setup_demo` raises if the scene does not come to rest."""
    module = importlib.import_module("robotwin.envs.utils.create_actor")
    return module.UnStableError  # type: ignore[no-any-return]


def arguments(task: str, options: RoboTwinOptions, assets: Assets) -> dict[str, Any]:
    """Keyword arguments of ``setup_demo``, as RoboTwin's own `VectorEnv` makes them of a configuration file."""
    yaml = importlib.import_module("yaml")
    config = importlib.import_module("robotwin.config")
    name = "demo_randomized" if options.randomisation else "demo_clean"
    keywords: dict[str, Any] = config.load_task_config(name)
    robot = assets.robot()
    embodiment = yaml.safe_load((robot / "config.yml").read_text())
    keywords.update(
        task_name=task,
        task_config=name,
        planner_backend=options.planner,
        eval_mode=True,  # as RLinf: backgrounds that no demonstration of RoboTwin's shows
        eval_video_log=False,
        render_freq=0,
        save_freq=None,
        embodiment_name=assets.embodiment,
        dual_arm_embodied=assets.apart is None,
        left_robot_file=str(robot),
        right_robot_file=str(robot),
        left_embodiment_config=embodiment,
        right_embodiment_config=deepcopy(embodiment),
    )
    if assets.apart is not None:
        keywords["embodiment_dis"] = assets.apart
    if not assets.real:
        keywords["domain_randomization"].update(random_background=False, cluttered_table=False)  # textures, objects
    keywords["camera"]["collect_wrist_camera"] = options.cameras != ("head_camera",)
    return keywords


class Tuned:
    """Placed before a task class: the shader, the images' size, and no synchronising of pictures that nobody takes.

    Physics is RoboTwin's own, untouched.
    """

    shader = "default"
    image_size = (240, 320)  # pixels, height and width
    looking = False
    checks = 0  # calls of `check_success`: one a physics step of a chunk
    watcher: Any = None  # called at each of them

    def setup_scene(self, **settings: Any) -> None:
        if self.shader == "rt" and Path("rt").is_dir():
            raise UserError("environment.shader: SAPIEN takes the folder `rt` here for its shader `rt`. Run elsewhere")
        super().setup_scene(**settings)  # type: ignore[misc]
        if self.shader != "rt":
            importlib.import_module("sapien").render.set_camera_shader_dir(self.shader)

    def load_robot(self, **settings: Any) -> None:
        super().load_robot(**settings)  # type: ignore[misc]
        robot: Any = self.robot  # type: ignore[attr-defined]
        for planner in (robot.left_planner, robot.right_planner):
            remember_plans(getattr(planner, "planner", None), robot)

    def load_camera(self, **settings: Any) -> None:
        with _camera_size(*self.image_size):
            super().load_camera(**settings)  # type: ignore[misc]

    def _update_render(self) -> None:
        """RoboTwin calls it after every physics step of a chunk; only flickering light makes that change anything."""
        if self.looking or self.crazy_random_light:  # type: ignore[attr-defined]
            super()._update_render()  # type: ignore[misc]

    def check_success(self) -> bool:
        self.checks += 1
        solved = bool(super().check_success())  # type: ignore[misc]
        if self.watcher is not None and not solved:
            self.watcher()
        return solved


@contextlib.contextmanager
def _camera_size(height: int, width: int) -> Iterator[None]:
    """RoboTwin's cameras have a name for their size, from a file in the package."""
    module: Any = importlib.import_module("robotwin.envs.camera.camera")
    original = module.load_task_config

    def load(name: str) -> dict[str, Any]:
        sizes: dict[str, Any] = original(name)
        return {kind: size | {"h": height, "w": width} for kind, size in sizes.items()}

    module.load_task_config = load
    try:
        yield
    finally:
        module.load_task_config = original


@contextlib.contextmanager
def _readable_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "render" not in str(error).lower() and "vulkan" not in str(error).lower():
            raise
        raise MissingRequirement(
            f"robotwin2: SAPIEN cannot render here ({str(error).splitlines()[0]}). On a CPU it takes Mesa 25 or newer: "
            "apt-get install -t bookworm-backports mesa-vulkan-drivers   or: vla-rl-bench doctor"
        ) from error
