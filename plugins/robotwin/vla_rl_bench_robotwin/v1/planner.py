"""mplib 0.1.1's planner, as RoboTwin 1.0 calls it, on mplib 0.2.1.

The branch asks its users to edit mplib 0.1.1 by hand: meshes are not convex, and a screw motion is not refused where
the planner sees a collision (INSTALLATION.md, section 3).  Both hold here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mplib
import mplib.planner
import numpy as np


class Planner(mplib.planner.Planner):  # type: ignore[misc]  # untyped
    """Poses are ``[x, y, z, qw, qx, qy, qz]``, not normalized; joints are the move group's six."""

    def __init__(self, urdf: str, srdf: str = "", move_group: str = "", **settings: Any) -> None:
        super().__init__(urdf=urdf, srdf=srdf or None, move_group=move_group, **settings)
        world: Any = vars(self)["planning_world"]
        self.planning_world = _Blind(world)

    def set_base_pose(self, pose: Sequence[float]) -> None:
        super().set_base_pose(_pose(pose))

    def pad_move_group_qpos(self, qpos: Any, articulation: Any = None) -> Any:
        """All joints, from the move group's: 0.2.1 puts them first, wherever in the robot they are."""
        robot = articulation or self.robot
        if len(qpos) != robot.get_move_group_qpos_dim():
            return qpos
        padded = robot.get_qpos().copy()
        padded[self.move_group_joint_indices] = qpos
        return padded

    def plan_screw(
        self,
        target_pose: Sequence[float],
        qpos: Sequence[float],
        qpos_step: float = 0.1,
        time_step: float = 0.1,
        use_point_cloud: bool = False,
        use_attach: bool = False,
        verbose: bool = False,
    ) -> dict[str, Any]:
        """Plan; return ``status`` and, on ``Success``, ``position`` and ``velocity`` ``[T, 6]``, row by row."""
        result: dict[str, Any] = super().plan_screw(
            _pose(target_pose), np.asarray(qpos, float), qpos_step=qpos_step, time_step=time_step, verbose=verbose
        )
        return result


class _Blind:
    """A planning world in which nothing collides."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def is_state_colliding(self, *_: Any) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


def _pose(numbers: Sequence[float]) -> Any:
    values = np.asarray(numbers, float)
    return mplib.Pose(values[:3], values[3:] / np.linalg.norm(values[3:]))
