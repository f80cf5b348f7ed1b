"""Options of ``environment: {name: tabletop}``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class TabletopOptions:
    """jitter: largest distance of an object from its canonical position at the start, per axis, in table widths
    (times the task's own spread, 1 or 0.5).

    image_size: pixels a side of the camera image.  expert_noise: standard deviation that the scripted expert adds to
    the motion of its actions, as a share of the largest step.

    friction: whether a fist takes along what it touches and moves towards, so that pushing is as steady as carrying.
    grasp_radius: how far from an object's center a hand may close on it, in table widths.
    """

    jitter: float = 0.05
    image_size: int = 48
    expert_noise: float = 0.1
    friction: bool = field(default=False, metadata={"added_later": True})
    grasp_radius: float = field(default=0.095, metadata={"added_later": True})  # `dynamics.GRASP_RADIUS`

    def __post_init__(self) -> None:
        if not 0 <= self.jitter <= 0.1:
            raise ValueError(f"jitter: {self.jitter} is not between 0 and 0.1 table widths")
        if not 24 <= self.image_size <= 256:
            raise ValueError(f"image_size: {self.image_size} is not between 24 and 256 pixels")
        if self.expert_noise < 0:
            raise ValueError(f"expert_noise: {self.expert_noise} is negative")
        if not 0.03 <= self.grasp_radius <= 0.095:  # the expert closes within 0.025; at 0.095 the drawn hand overlaps
            raise ValueError(f"grasp_radius: {self.grasp_radius} is not between 0.03 and 0.095 table widths")

    def deviations(self) -> str:
        """``+jitter=0.05`` for every option that is not at its default; part of the protocol."""
        return "".join(
            f"+{field.name}={getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        )
