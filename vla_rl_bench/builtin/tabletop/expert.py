"""The scripted expert: reach, close, carry, open; for every target in the order of the instruction."""

from __future__ import annotations

import numpy as np

from vla_rl_bench.builtin.tabletop import dynamics
from vla_rl_bench.builtin.tabletop.scene import NOTHING, ZONE_RADIUS, Scenes
from vla_rl_bench.types import FloatArray, IntArray

ARRIVED = 0.025  # table widths
BESIDE = 0.055  # two targets are put down this far left and right of the goal's center


def expert(scenes: Scenes, noise: FloatArray) -> FloatArray:
    """Actions ``[N, 3]``; noise ``[N, 2]`` is added to dx, dy while the way is long."""
    rows = np.arange(len(scenes))
    todo = scenes.targets & ~dynamics.inside(scenes, ZONE_RADIUS - 0.03)
    carries = scenes.held != NOTHING
    target = np.where(carries, scenes.held, todo.argmax(1))
    position = np.where(carries[:, None], _drop(scenes, target), scenes.objects[rows, target])
    way = (position - scenes.gripper) / np.float32(dynamics.MAX_STEP)
    longest = np.abs(way).max(1)
    arrived = np.hypot(way[:, 0], way[:, 1]) * dynamics.MAX_STEP < ARRIVED
    motion = way / np.maximum(longest, 1)[:, None] + noise * (longest > 0.3)[:, None]
    motion[arrived] = 0
    grip = np.where(carries, ~arrived, arrived & ~scenes.closed)
    action = np.concatenate([motion, np.where(grip, 1.0, -1.0)[:, None]], 1)
    clipped: FloatArray = np.clip(action, -1, 1).astype(np.float32)
    return clipped


def _drop(scenes: Scenes, target: IntArray) -> FloatArray:
    """Position to put the target down: the goal's center, or beside it if two targets share the goal."""
    shared = scenes.targets.sum(1) > 1
    side = np.where(target == scenes.targets.argmax(1), -BESIDE, BESIDE) * shared
    position: FloatArray = scenes.goal + np.stack([side, np.zeros_like(side)], 1).astype(np.float32)
    return position
