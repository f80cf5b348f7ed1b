"""One arm's part in a chunk: samples at the physics' rate, from TOPP, and the gripper beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_rl_bench.types import FloatArray

OPEN = 0.045  # m, of each finger: `open_left_gripper`
STILL = 1e-4  # rad; a path within it is none
_STEP = 1 / 250  # s; the classes' timestep
_REST = 8  # samples an action of an arm that rests: 25 actions take the 200 that `set_gripper` moves a gripper for
_MOST = 2000  # samples; `left_follow_path` plays no longer path
_FINGERS = (slice(34, 36), slice(36, 38))  # of the active joints, left and right


class Side:
    """steps: samples of the path.  failed: TOPP found no timing, and the arm stands still."""

    def __init__(self, task: Any, number: int, now: FloatArray, actions: FloatArray) -> None:
        """number: 0 left, 1 right.  now: float ``[7]``; actions: float ``[K, 7]``; radians, gripper 0 to 1."""
        self._task, self._value = task, ("left_gripper_val", "right_gripper_val")[number]
        self._joints = [
            task.active_joints[joint] for joint in (task.left_arm_joint_id, task.right_arm_joint_id)[number]
        ]
        self._fingers = task.active_joints[_FINGERS[number]]
        path = np.vstack((now[:6], actions[:, :6])).astype(float)
        self._at, self.failed = 0, False
        self._positions = np.repeat(path[:1], _REST * len(actions), axis=0)
        self._velocities = np.zeros_like(self._positions)
        if np.abs(np.diff(path, axis=0)).max() > STILL:
            self._time((task.left_planner, task.right_planner)[number], path)
        self.steps = len(self._positions)
        places = np.linspace(0, len(actions), self.steps + 1)[1:]
        grips = np.interp(places, np.arange(len(actions) + 1), np.concatenate([now[6:], actions[:, 6]]))
        self._grips = grips * OPEN

    def _time(self, planner: Any, path: Any) -> None:
        try:
            _, positions, velocities, _, _ = planner.TOPP(path, _STEP)
        except Exception:  # toppra raises whatever its solver does
            self.failed = True
            return
        if len(positions) == 0:
            self.failed = True
            return
        self._positions, self._velocities = positions[:_MOST], velocities[:_MOST]

    def follow(self, until: int) -> None:
        """Aim at sample `until`, counted from 1, if it is not the one aimed at already."""
        if until == self._at:
            return
        self._at = until
        aims = zip(self._joints, self._positions[until - 1], self._velocities[until - 1], strict=True)
        for joint, position, velocity in aims:
            joint.set_drive_target(position)
            joint.set_drive_velocity_target(velocity)
        grip = float(self._grips[until - 1])
        for finger in self._fingers:
            finger.set_drive_target(grip)
            finger.set_drive_velocity_target(0.05)
        setattr(self._task, self._value, grip)
