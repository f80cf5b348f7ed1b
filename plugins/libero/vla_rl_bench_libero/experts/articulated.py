"""Skills for objects on joints: drawers and knobs."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from vla_rl_bench_libero.experts.manipulator import CLOSED, OPEN, UP, Commands, Manipulator
from vla_rl_bench_libero.experts.pinch_grasp import Hand
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points, subtree


def hand_orientation(hand: Hand, approach: Points, closing: Points) -> Points:
    """Return the rotation of a hand that points along `approach` and closes along `closing`, by the smaller turn.

    Both are orthogonal unit vectors; the rotation is from the hand's frame to the world.
    """
    if closing @ hand.rotation[:, hand.finger_axis] < 0:
        closing = -closing
    side = np.cross(approach, closing) if hand.finger_axis == 0 else np.cross(closing, approach)
    rotation = np.zeros((3, 3))
    rotation[:, 2], rotation[:, hand.finger_axis], rotation[:, 1 - hand.finger_axis] = approach, closing, side
    return rotation


@dataclass
class Drawer:
    """Pull a drawer open by its handle, or push it shut; the hand leans back to keep its palm off the cabinet."""

    scene: Scene
    hand: Manipulator
    region: str
    opening: bool
    attempts: int = 0

    _OPENING_LEANS, _CLOSING_LEANS = (0.25, 0.35, 0.9, 0.6), (0.9, 0.6, 0.3)  # radians from horizontal, one per attempt

    def perform(self) -> Commands:
        out, handle = self._opening_direction(), self._handle()
        leans = self._OPENING_LEANS if self.opening else self._CLOSING_LEANS
        lean = leans[self.attempts % len(leans)]
        self.attempts += 1
        approach = -np.cos(lean) * out - np.sin(lean) * UP
        closing = np.cos(lean) * UP - np.sin(lean) * out if self.opening else np.cross(out, UP)
        rotation = hand_orientation(self.hand.hand, approach, closing)
        yield from self._pull(handle, out, approach, rotation) if self.opening else self._push(handle, out, rotation)

    def _pull(self, handle: int, out: Points, approach: Points, rotation: Points) -> Commands:
        pregrasp = self._geom_position(handle) - 0.12 * approach
        yield from self._approach(pregrasp + 0.08 * UP, pregrasp, rotation, OPEN)
        yield from self.hand.follow(
            lambda: self._geom_position(handle) + 0.004 * approach, rotation, OPEN,
            patience=50, tolerance=0.008, aligned=True, speed=0.6,
        )  # fmt: skip
        yield from self.hand.hold(rotation, CLOSED, 10)
        yield from self.hand.follow(
            lambda: self._geom_position(handle) + 0.06 * out,
            rotation,
            CLOSED,
            patience=60,
            until=self._done,
            steady=True,
        )
        yield from self.hand.hold(rotation, OPEN, 6)
        yield from self._retreat(-approach, rotation)

    def _push(self, handle: int, out: Points, rotation: Points) -> Commands:
        front = self._geom_position(handle) + 0.08 * out
        yield from self._approach(front + 0.15 * UP, front, rotation, CLOSED)
        yield from self.hand.follow(
            lambda: self._geom_position(handle) - 0.06 * out,
            rotation,
            CLOSED,
            patience=80,
            until=self._done,
            steady=True,
        )
        yield from self._retreat(out, rotation)

    def _approach(self, high: Points, near: Points, rotation: Points, grip: float) -> Commands:
        yield from self.hand.go(high, rotation, grip, patience=60, tolerance=0.04)
        yield from self.hand.go(near, rotation, grip, patience=60, tolerance=0.02)

    def _retreat(self, direction: Points, rotation: Points) -> Commands:
        """Move away from the handle, then up."""
        away = self.hand.position + 0.06 * direction
        self.hand.has_worked = True
        yield from self.hand.go(away, rotation, OPEN, patience=15, tolerance=0.03)
        yield from self.hand.go(away + 0.08 * UP, rotation, OPEN, patience=15, tolerance=0.04)

    def _done(self) -> bool:
        """Check the goal predicate with a margin."""
        if not self.scene.holds(("open" if self.opening else "close", self.region)):
            return False
        return not self.opening or abs(self.scene.joint_position(self._joint())) > 0.148

    def _joint(self) -> int:
        return self.scene.joints(self.region)[0]

    def _opening_direction(self) -> Points:
        """Return the direction in which the drawer opens, a horizontal unit vector."""
        owner = self.scene.instance.get_object(self.scene.instance.object_sites_dict[self.region].parent_name)
        side = np.sign(np.mean(owner.object_properties["articulation"]["default_open_ranges"]))
        out = side * np.array(self.scene.data.xaxis[self._joint()])
        out[2] = 0.0
        return np.array(out / np.linalg.norm(out))

    def _handle(self) -> int:
        """Return the geom that protrudes furthest."""
        body = int(self.scene.model.jnt_bodyid[self._joint()])
        out = self._opening_direction()
        return max(self.scene.body_geoms({body}), key=lambda geom: float(self._geom_position(geom) @ out))

    def _geom_position(self, geom: int) -> Points:
        return np.array(self.scene.data.geom_xpos[geom])


@dataclass
class Knob:
    """Grip the ridge on top of a knob and turn the hand."""

    scene: Scene
    hand: Manipulator
    fixture: str
    turned_on: bool
    attempts: int = 0

    _STEP = 0.35  # radians at a time

    def perform(self) -> Commands:
        self.attempts += 1
        joint = self.scene.joints(self.fixture)[0]
        ridge = self._ridge(joint)
        grip_position, closing = self._grip(joint, ridge)
        rotation = hand_orientation(self.hand.hand, -UP, closing)
        yield from self.hand.go(grip_position + 0.1 * UP, rotation, OPEN, patience=61, tolerance=0.012)
        yield from self.hand.go(grip_position, rotation, OPEN, patience=61, tolerance=0.008)
        yield from self.hand.hold(rotation, CLOSED, 12)
        turn = np.array(self.scene.data.xaxis[joint]) * (1.0 if self.turned_on else -1.0)
        for _ in range(8):
            rotation = _rotated(self.hand.rotation, turn * self._STEP)
            yield from self.hand.follow(
                lambda: grip_position, rotation, CLOSED,
                patience=8, tolerance=0.02, aligned=True, until=self._done, steady=True,
            )  # fmt: skip
            if self._done():
                break
        yield from self.hand.hold(rotation, OPEN, 6)
        yield from self.hand.go(grip_position + 0.15 * UP, rotation, OPEN, patience=40, tolerance=0.03)

    def _done(self) -> bool:
        joint = self.scene.joint_position(self.scene.joints(self.fixture)[0])
        satisfied = self.scene.holds(("turnon" if self.turned_on else "turnoff", self.fixture))
        return satisfied and (not self.turned_on or joint > 0.6)

    def _ridge(self, joint: int) -> int:
        """Return the highest geom of the turning part."""
        bodies = subtree(self.scene.model, int(self.scene.model.jnt_bodyid[joint]))
        return max(self.scene.body_geoms(bodies), key=self._top)

    def _top(self, geom: int) -> float:
        matrix = self.scene.data.geom_xmat[geom].reshape(3, 3)
        return float(self.scene.data.geom_xpos[geom][2] + np.abs(matrix[2]) @ self.scene.model.geom_size[geom])

    def _grip(self, joint: int, ridge: int) -> tuple[Points, Points]:
        """Return the position of the finger tips, meters, world, and the horizontal direction across the ridge."""
        matrix, size = self.scene.data.geom_xmat[ridge].reshape(3, 3), self.scene.model.geom_size[ridge]
        level = [axis for axis in range(3) if abs(matrix[2, axis]) < 0.5]
        thin = min(level, key=lambda axis: float(size[axis]))
        closing = np.array([matrix[0, thin], matrix[1, thin], 0.0])
        anchor = self.scene.data.xanchor[joint]
        return np.array([*anchor[:2], self._top(ridge) - 0.018]), closing / np.linalg.norm(closing)


def _rotated(rotation: Points, vector: Points) -> Points:
    """Rotate `rotation` about the world axis `vector` by the length of `vector` in radians."""
    quaternion, matrix = np.zeros(4), np.zeros(9)
    angle = float(np.linalg.norm(vector))
    mujoco.mju_axisAngle2Quat(quaternion, vector / angle, angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3) @ rotation
