"""Between a checkpoint's gripper and an environment's, in the last dimension.

OpenVLA's LIBERO data hold ``1 - clip(g, 0, 1)``: 1 opens, 0 closes; the simulator has -1 open and +1 closed.
openvla-oft goes back by ``normalize_gripper_action(binarize=True)`` and ``invert_gripper_action``.
"""

from __future__ import annotations

import numpy as np

from vla_rl_bench_openvla_oft.spaces import Space
from vla_rl_bench_openvla_oft.statistics import Numbers


def to_environment(actions: Numbers, space: Space) -> Numbers:
    """``[..., D]`` of the checkpoint -> of the environment."""
    if space.gripper_rule == "none":
        return actions
    opened = -np.sign(2 * actions[..., -1:] - 1)
    return np.concatenate([actions[..., :-1], opened], -1)


def to_checkpoint(actions: Numbers, space: Space) -> Numbers:
    """``[..., D]`` of the environment -> of the checkpoint."""
    if space.gripper_rule == "none":
        return actions
    opened = 1 - np.clip(actions[..., -1:], 0, 1)
    return np.concatenate([actions[..., :-1], opened], -1)
