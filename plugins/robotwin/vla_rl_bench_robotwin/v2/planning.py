"""Plans that are asked for twice are made once."""

from __future__ import annotations

from typing import Any

import numpy as np


def remember_plans(planner: Any, robot: Any) -> None:
    """Let an mplib planner answer the same question, from the same joints of the whole robot, with the same plan.

    RoboTwin asks for ten turned grasps where an embodiment allows no turning (``rotate_lim: [0, 0]``), and retries
    where inverse kinematics finds nothing: often the same question.  Its planning world holds the table, the wall and
    the robot, which moves only with its joints.
    """
    if planner is None:  # curobo
        return
    ask = planner.plan_pose
    known: dict[bytes, dict[str, Any]] = {}

    def plan_pose(goal_pose: Any, current_qpos: Any, **settings: Any) -> dict[str, Any]:
        joints = [robot.left_entity.get_qpos(), robot.right_entity.get_qpos(), current_qpos]
        parts = [np.asarray(part, np.float64) for part in (goal_pose.p, goal_pose.q, *joints)]
        key = b"".join(part.tobytes() for part in parts)
        if key not in known:
            known[key] = ask(goal_pose=goal_pose, current_qpos=current_qpos, **settings)
        return dict(known[key])

    planner.plan_pose = plan_pose
