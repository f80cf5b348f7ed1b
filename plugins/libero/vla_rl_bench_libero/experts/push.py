"""Push a flat thing across the table: closed fingers inside its rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_rl_bench_libero.experts.manipulator import CLOSED, UP, Manipulator, Skill
from vla_rl_bench_libero.experts.pinch_grasp import GRIPPER_OPENING, hand_rotation
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points

_FLAT = 0.025  # metres: nothing lower that is too wide for the gripper can be gripped by its rim
_AHEAD = 0.02  # metres from its middle to where the fingers come down, on the side that leads
_ABOVE = 0.004  # metres from what the fingers come down on to their tips
_LIGHT = 0.006  # metres: pushing, the fingers strive for so much more, or they climb over the rim
_SLID = 0.055  # metres ahead of its middle: beyond the rim


def too_flat(scene: Scene, name: str) -> bool:
    """Whether it can only be pushed: a plate."""
    extent = np.ptp(scene.points(name), axis=0)
    return bool(extent[2] < _FLAT and extent[:2].min() > GRIPPER_OPENING)


@dataclass
class Push:
    """target: a patch of the table."""

    scene: Scene
    hand: Manipulator
    name: str
    target: str

    def perform(self) -> Skill:
        points = self.scene.points(self.name)
        way = self._way()
        start = self.scene.position(self.name)[:2] + _AHEAD * way / np.linalg.norm(way)
        inside = np.linalg.norm(points[:, :2] - start, axis=1) < 0.03
        low = float(points[inside, 2].min() if inside.any() else points[:, 2].min()) + _ABOVE
        closing = self.hand.rotation[:2, self.hand.hand.finger_axis]
        rotation = hand_rotation(self.hand.hand, float(np.arctan2(closing[1], closing[0])))
        down = np.array([*start, low])
        yield from self.hand.go(down + 0.07 * UP, rotation, CLOSED, patience=61, tolerance=0.015)
        yield from self.hand.go(down, rotation, CLOSED, patience=30, tolerance=0.018)
        yield from self.hand.follow(
            lambda: np.array([*(self.hand.position[:2] + self._carrot()), low + _LIGHT]), rotation, CLOSED,
            patience=110, until=self._over, speed=0.7,
        )  # fmt: skip
        yield from self.hand.go(self.hand.position + 0.1 * UP, rotation, CLOSED, patience=30, tolerance=0.03)

    def _over(self) -> bool:
        """It is there, or the fingers have slid over its rim."""
        if self.scene.holds(("on", self.name, self.target)):
            return True
        way = self._way()
        ahead = (self.hand.position - self.scene.position(self.name))[:2] @ way / max(float(np.linalg.norm(way)), 1e-6)
        return bool(ahead > _SLID)

    def _way(self) -> Points:
        """From the object's origin to the target's middle, xy, metres."""
        way: Points = (self.scene.position(self.target) - self.scene.position(self.name))[:2]
        return way

    def _carrot(self) -> Points:
        """Where to move next: along the way, never further than the fingers follow in a step or two."""
        way = self._way()
        return np.array(way * min(1.0, 0.04 / max(float(np.linalg.norm(way)), 1e-6)))
