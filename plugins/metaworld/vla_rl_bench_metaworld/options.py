"""Options of a suite with ``environment: {name: metaworld}``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

STEP_LIMIT = 500  # Meta-World's own, SawyerXYZEnv.max_path_length: it rejects further steps


@dataclass(frozen=True)
class MetaworldOptions:
    """camera: ``corner2-near`` is Meta-World's corner2, moved closer as by MWM (arXiv 2206.14244) and LeRobot;
    ``corner2`` has Meta-World's position.  Both are rotated upright.
    image_size: pixels, height and width.
    rendering: ``fast`` renders without shadows, reflections and multisampling: nine times cheaper on a CPU; its pixels
    differ, its protocol has a name of its own, and its results are marked as not comparable with published ones.
    step_limit: steps per episode, at most Meta-World's 500.
    expert_noise: standard deviation of the noise on the expert's executed displacements, in action units (DART,
    arXiv 1703.09327); the recorded label stays the clean action.  0 is Meta-World's unmodified expert.
    """

    camera: Literal["corner2-near", "corner2"] = "corner2-near"
    image_size: int = 224
    rendering: Literal["exact", "fast"] = "exact"
    step_limit: int = STEP_LIMIT
    expert_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 8 <= self.image_size <= 1024:
            raise ValueError(f"image_size: {self.image_size} is not between 8 and 1024 pixels")
        if not 1 <= self.step_limit <= STEP_LIMIT:
            raise ValueError(f"step_limit: {self.step_limit} is not between 1 and Meta-World's {STEP_LIMIT}")
        if self.expert_noise < 0:
            raise ValueError(f"expert_noise: {self.expert_noise:g} is negative")
