"""Options of `name: robotwin2` and `name: robotwin1`.  Standard library only: workers import it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

CAMERAS = ("head_camera", "left_camera", "right_camera")
CHUNK = 25  # SimpleVLA-RL: 25 actions of 14 numbers

# RoboTwin 2.0, envs/_embodiment_config.yml; the paper uses two Pipers, 0.6 m apart: "piper"
EMBODIMENTS = ("aloha-agilex", "piper", "franka-panda", "ARX-X5", "ur5-wsg", "y1")


@dataclass(frozen=True)
class RoboTwinOptions:
    """assets: ``real`` are RoboTwin's meshes, by ROBOTWIN_ASSETS_ROOT or ROBOTWIN_ROOT; ``procedural`` are two arms of
    boxes, for the tasks without a mesh, and never comparable with published numbers; ``auto``: real where they are set.

    embodiment: RoboTwin's name; ``auto``: aloha-agilex, or the arms of boxes where assets are procedural.
    planner: ``curobo`` needs a GPU; two single arms (the paper's Pipers) need it.
    cameras: of head_camera, left_camera and right_camera (wrists); image_height, image_width: pixels.
    step_limit: actions an episode may take; None: SimpleVLA-RL's for the task (`vla_rl_bench_robotwin.tasks`).
    protocol: whose evaluation this is, SimpleVLA-RL's as its paper says (limits of 200, 400 and 800) or as its released
    code does it (limits of 75 to 800).  It is part of the protocol's name, so results of the two never share a table.
    instructions: RoboTwin's seen or unseen wordings.  randomisation: background, clutter, table height and light;
    with procedural assets table height and light, since there are no textures and objects.
    shader: SAPIEN's; ``rt`` is RoboTwin's own, ray tracing, 17 s an image without a GPU.
    seeds: a JSON file of scene seeds that the expert solved, in place of those that come with the plugin.
    expert_spacing: physics steps of 4 ms between the waypoints that an expert's motion becomes actions by.
    """

    embodiment: str = "auto"
    assets: Literal["auto", "real", "procedural"] = "auto"
    planner: Literal["mplib", "curobo"] = "mplib"
    cameras: tuple[str, ...] = ("head_camera",)  # SimpleVLA-RL: num_images_in_input=1
    image_height: int = 240  # RoboTwin, _camera_config.yml: D435
    image_width: int = 320
    step_limit: int | None = None
    instructions: Literal["seen", "unseen"] = "unseen"  # SimpleVLA-RL, ppo_trainer.yaml; its RoboTwin script says seen
    randomisation: bool = False
    shader: Literal["default", "minimal", "rt"] = "default"
    seeds: str | None = None
    expert_spacing: int = 15  # RoboTwin, demo_clean.yml: save_freq
    protocol: Literal["paper", "simplevla-rl-code"] | None = field(default=None, metadata={"added_later": True})

    def __post_init__(self) -> None:
        if self.embodiment not in ("auto", *EMBODIMENTS):
            raise ValueError(f"embodiment must be auto or one of {', '.join(EMBODIMENTS)}")
        if self.assets == "procedural" and self.embodiment != "auto":
            raise ValueError("embodiment: procedural assets have arms of their own; leave it out")
        if self.embodiment == "piper" and self.planner != "curobo":
            raise ValueError("embodiment: two single arms need `planner: curobo`; mplib plans for aloha-agilex")
        wrong = [camera for camera in self.cameras if camera not in CAMERAS]
        if wrong or not self.cameras or len(set(self.cameras)) < len(self.cameras):
            raise ValueError(f"cameras must be some of {', '.join(CAMERAS)}, each once")
        for name in ("image_height", "image_width"):
            if not 16 <= getattr(self, name) <= 1024:
                raise ValueError(f"{name} must be from 16 to 1024 pixels")
        if self.step_limit is not None and self.step_limit < 1:
            raise ValueError("step_limit must be at least 1")
        if self.step_limit is not None and self.protocol is not None:
            raise ValueError(f"step_limit: protocol `{self.protocol}` has limits of its own; leave one of the two out")
        if self.expert_spacing < 5:
            raise ValueError("expert_spacing must be at least 5 physics steps")


@dataclass(frozen=True)
class RoboTwin1Options:
    """assets: ``real`` are those in the checkout (ROBOTWIN1_ROOT); ``procedural`` are two arms of boxes, for the tasks
    without a mesh, and never comparable with published numbers; ``auto``: real where the checkout holds them.

    image_height, image_width: pixels of the head camera.  step_limit: actions an episode may take; None: the task's.
    shader: SAPIEN's; ``rt`` is RoboTwin's own, ray tracing.
    """

    assets: Literal["auto", "real", "procedural"] = "auto"
    image_height: int = 240  # RoboTwin 1.0, task_config/_camera_config.yml: D435
    image_width: int = 320
    step_limit: int | None = None
    shader: Literal["default", "minimal", "rt"] = "default"

    def __post_init__(self) -> None:
        for name in ("image_height", "image_width"):
            if not 16 <= getattr(self, name) <= 1024:
                raise ValueError(f"{name} must be from 16 to 1024 pixels")
        if self.step_limit is not None and self.step_limit < 1:
            raise ValueError("step_limit must be at least 1")
