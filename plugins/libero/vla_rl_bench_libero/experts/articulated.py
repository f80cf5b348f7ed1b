"""Things that move on a joint: drawers and knobs."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from vla_rl_bench_libero.experts.manipulator import CLOSED, OPEN, UP, Manipulator, Skill
from vla_rl_bench_libero.experts.pinch_grasp import Hand
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points, subtree


def oriented(hand: Hand, approach: Points, closing: Points) -> Points:
    """The rotation of a hand that points along `approach` and closes its fingers along `closing`, the nearer way.

    Both are unit vectors at right angles; the result is hand frame -> world.
    """
    if closing @ hand.rotation[:, hand.finger_axis] < 0:
        closing = -closing
    other = np.cross(approach, closing) if hand.finger_axis == 0 else np.cross(closing, approach)
    rotation = np.zeros((3, 3))
    rotation[:, 2], rotation[:, hand.finger_axis], rotation[:, 1 - hand.finger_axis] = approach, closing, other
    return rotation


@dataclass
class Drawer:
    """Pulled open by its handle, or pushed shut, the hand leaning back so that its palm is clear of the cabinet."""

    scene: Scene
    hand: Manipulator
    region: str
    opening: bool
    tries: int = 0

    _OPENING_LEANS, _CLOSING_LEANS = (0.25, 0.35, 0.9, 0.6), (0.9, 0.6, 0.3)  # radians from horizontal, one a try

    def perform(self) -> Skill:
        out, handle = self._outwards(), self._handle()
        leans = self._OPENING_LEANS if self.opening else self._CLOSING_LEANS
        lean = leans[self.tries % len(leans)]
        self.tries += 1
        approach = -np.cos(lean) * out - np.sin(lean) * UP
        closing = np.cos(lean) * UP - np.sin(lean) * out if self.opening else np.cross(out, UP)
        rotation = oriented(self.hand.hand, approach, closing)
        yield from self._pull(handle, out, approach, rotation) if self.opening else self._push(handle, out, rotation)

    def _pull(self, handle: int, out: Points, approach: Points, rotation: Points) -> Skill:
        before = self._at(handle) - 0.12 * approach
        yield from self._come(before + 0.08 * UP, before, rotation, OPEN)
        yield from self.hand.follow(
            lambda: self._at(handle) + 0.004 * approach, rotation, OPEN,
            patience=50, tolerance=0.008, aligned=True, speed=0.6,
        )  # fmt: skip
        yield from self.hand.hold(rotation, CLOSED, 10)
        yield from self.hand.follow(
            lambda: self._at(handle) + 0.06 * out, rotation, CLOSED, patience=60, until=self._done, steady=True
        )
        yield from self.hand.hold(rotation, OPEN, 6)
        yield from self._leave(-approach, rotation)

    def _push(self, handle: int, out: Points, rotation: Points) -> Skill:
        front = self._at(handle) + 0.08 * out
        yield from self._come(front + 0.15 * UP, front, rotation, CLOSED)
        yield from self.hand.follow(
            lambda: self._at(handle) - 0.06 * out, rotation, CLOSED, patience=80, until=self._done, steady=True
        )
        yield from self._leave(out, rotation)

    def _come(self, high: Points, near: Points, rotation: Points, grip: float) -> Skill:
        yield from self.hand.go(high, rotation, grip, patience=60, tolerance=0.04)
        yield from self.hand.go(near, rotation, grip, patience=60, tolerance=0.02)

    def _leave(self, direction: Points, rotation: Points) -> Skill:
        """Away from the handle, then up."""
        away = self.hand.position + 0.06 * direction
        self.hand.has_worked = True
        yield from self.hand.go(away, rotation, OPEN, patience=15, tolerance=0.03)
        yield from self.hand.go(away + 0.08 * UP, rotation, OPEN, patience=15, tolerance=0.04)

    def _done(self) -> bool:
        """With something to spare."""
        if not self.scene.holds(("open" if self.opening else "close", self.region)):
            return False
        return not self.opening or abs(self.scene.joint_position(self._joint())) > 0.148

    def _joint(self) -> int:
        return self.scene.joints(self.region)[0]

    def _outwards(self) -> Points:
        """The way it opens: a horizontal unit vector."""
        owner = self.scene.instance.get_object(self.scene.instance.object_sites_dict[self.region].parent_name)
        side = np.sign(np.mean(owner.object_properties["articulation"]["default_open_ranges"]))
        out = side * np.array(self.scene.data.xaxis[self._joint()])
        out[2] = 0.0
        return np.array(out / np.linalg.norm(out))

    def _handle(self) -> int:
        """The geom that stands out furthest."""
        body = int(self.scene.model.jnt_bodyid[self._joint()])
        out = self._outwards()
        return max(self.scene.body_geoms({body}), key=lambda geom: float(self._at(geom) @ out))

    def _at(self, geom: int) -> Points:
        return np.array(self.scene.data.geom_xpos[geom])


@dataclass
class Knob:
    """A knob with a ridge on top: gripped, and turned with the hand."""

    scene: Scene
    hand: Manipulator
    fixture: str
    turned_on: bool
    tries: int = 0

    _STEP = 0.35  # radians at a time

    def perform(self) -> Skill:
        self.tries += 1
        joint = self.scene.joints(self.fixture)[0]
        ridge = self._ridge(joint)
        place, closing = self._grip(joint, ridge)
        rotation = oriented(self.hand.hand, -UP, closing)
        yield from self.hand.go(place + 0.1 * UP, rotation, OPEN, patience=61, tolerance=0.012)
        yield from self.hand.go(place, rotation, OPEN, patience=61, tolerance=0.008)
        yield from self.hand.hold(rotation, CLOSED, 12)
        turn = np.array(self.scene.data.xaxis[joint]) * (1.0 if self.turned_on else -1.0)
        for _ in range(8):
            rotation = _rotated(self.hand.rotation, turn * self._STEP)
            yield from self.hand.follow(
                lambda: place, rotation, CLOSED,
                patience=8, tolerance=0.02, aligned=True, until=self._done, steady=True,
            )  # fmt: skip
            if self._done():
                break
        yield from self.hand.hold(rotation, OPEN, 6)
        yield from self.hand.go(place + 0.15 * UP, rotation, OPEN, patience=40, tolerance=0.03)

    def _done(self) -> bool:
        joint = self.scene.joint_position(self.scene.joints(self.fixture)[0])
        met = self.scene.holds(("turnon" if self.turned_on else "turnoff", self.fixture))
        return met and (not self.turned_on or joint > 0.6)

    def _ridge(self, joint: int) -> int:
        """The highest geom of what turns."""
        bodies = subtree(self.scene.model, int(self.scene.model.jnt_bodyid[joint]))
        return max(self.scene.body_geoms(bodies), key=self._top)

    def _top(self, geom: int) -> float:
        matrix = self.scene.data.geom_xmat[geom].reshape(3, 3)
        return float(self.scene.data.geom_xpos[geom][2] + np.abs(matrix[2]) @ self.scene.model.geom_size[geom])

    def _grip(self, joint: int, ridge: int) -> tuple[Points, Points]:
        """-> where the finger tips go, metres, world; the horizontal direction across the ridge."""
        matrix, size = self.scene.data.geom_xmat[ridge].reshape(3, 3), self.scene.model.geom_size[ridge]
        level = [axis for axis in range(3) if abs(matrix[2, axis]) < 0.5]
        thin = min(level, key=lambda axis: float(size[axis]))
        closing = np.array([matrix[0, thin], matrix[1, thin], 0.0])
        anchor = self.scene.data.xanchor[joint]
        return np.array([*anchor[:2], self._top(ridge) - 0.018]), closing / np.linalg.norm(closing)


def _rotated(rotation: Points, vector: Points) -> Points:
    """`rotation`, turned about the world's axis `vector` by its length in radians."""
    quaternion, matrix = np.zeros(4), np.zeros(9)
    angle = float(np.linalg.norm(vector))
    mujoco.mju_axisAngle2Quat(quaternion, vector / angle, angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3) @ rotation
