"""Push a flat object across the table with closed fingers inside its rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_rl_bench_libero.experts.manipulator import CLOSED, UP, Commands, Manipulator
from vla_rl_bench_libero.experts.pinch_grasp import GRIPPER_OPENING, hand_rotation
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points

_FLAT = 0.025  # meters: the rim of a lower object cannot be gripped
_AHEAD = 0.02  # meters ahead of its middle, where the fingers come down
_ABOVE = 0.004  # meters from the surface below the fingers to their tips
_LIGHT = 0.006  # meters by which the fingers aim higher while pushing; otherwise they climb over the rim
_SLID = 0.055  # meters ahead of its middle: beyond the rim


def too_flat(scene: Scene, name: str) -> bool:
    """Check if an object can only be pushed, such as a plate."""
    extent = np.ptp(scene.points(name), axis=0)
    return bool(extent[2] < _FLAT and extent[:2].min() > GRIPPER_OPENING)


@dataclass
class Push:
    """Push an object to a region of the table."""

    scene: Scene
    hand: Manipulator
    name: str
    target: str

    def perform(self) -> Commands:
        points = self.scene.points(self.name)
        path = self._path()
        start = self.scene.position(self.name)[:2] + _AHEAD * path / np.linalg.norm(path)
        inside = np.linalg.norm(points[:, :2] - start, axis=1) < 0.03
        low = float(points[inside, 2].min() if inside.any() else points[:, 2].min()) + _ABOVE
        closing = self.hand.rotation[:2, self.hand.hand.finger_axis]
        rotation = hand_rotation(self.hand.hand, float(np.arctan2(closing[1], closing[0])))
        down = np.array([*start, low])
        yield from self.hand.go(down + 0.07 * UP, rotation, CLOSED, patience=61, tolerance=0.015)
        yield from self.hand.go(down, rotation, CLOSED, patience=30, tolerance=0.018)
        yield from self.hand.follow(
            lambda: np.array([*(self.hand.position[:2] + self._next_motion()), low + _LIGHT]), rotation, CLOSED,
            patience=110, until=self._finished, speed=0.7,
        )  # fmt: skip
        yield from self.hand.go(self.hand.position + 0.1 * UP, rotation, CLOSED, patience=30, tolerance=0.03)

    def _finished(self) -> bool:
        """Check if the object has arrived, or the fingers have slid over its rim."""
        if self.scene.holds(("on", self.name, self.target)):
            return True
        path = self._path()
        ahead = (
            (self.hand.position - self.scene.position(self.name))[:2] @ path / max(float(np.linalg.norm(path)), 1e-6)
        )
        return bool(ahead > _SLID)

    def _path(self) -> Points:
        """Return the vector from the object's origin to the target's middle, xy, meters."""
        path: Points = (self.scene.position(self.target) - self.scene.position(self.name))[:2]
        return path

    def _next_motion(self) -> Points:
        """Return the next motion along the path, no longer than the fingers can follow in a step or two."""
        path = self._path()
        return np.array(path * min(1.0, 0.04 / max(float(np.linalg.norm(path)), 1e-6)))
