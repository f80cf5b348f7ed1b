"""Dynamics of the tabletop: quasi-static and vectorized over tables.

An open gripper hovers above the objects.  Closing it while it overlaps an object grasps and centers that object; closed
on nothing it is a fist that pushes objects along.  No row's result depends on another row.

A push without friction moves an object out along the line of centers, so that it slides off to a side sooner or later;
with friction, what a fist touches and moves towards goes along with it, and pushing is as steady as carrying.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.builtin.tabletop.scene import (
    NOTHING,
    OBJECT_RADIUS,
    OBJECTS,
    ZONE_RADIUS,
    Flags,
    Scenes,
)
from vla_rl_bench.types import FloatArray, IntArray

MAX_STEP = 0.08  # table widths an action of 1 moves
GRASP_RADIUS = 0.095  # the hand, drawn with a radius of 0.04, overlaps an object
FIST_RADIUS = 0.035
SUCCESS_RADIUS = ZONE_RADIUS - 0.01
EVENTS = (
    "grasped",
    "grasped-other",
    "pushed",
)  # bit k of Scenes.events; `grasped`, `pushed`: a target
_GRASPED, _GRASPED_OTHER, _PUSHED = 1, 2, 4
_REACH = np.float32(FIST_RADIUS + OBJECT_RADIUS)
_CONTACT = np.float32(
    0.01
)  # a pushed object lies at `_REACH` but for rounding; nearer than this beyond it, it is touched
_FIRST, _SECOND = np.triu_indices(OBJECTS, 1)


@dataclass(frozen=True)
class Physics:
    """grasp_radius: how far from an object's center a hand may close on it, in table widths.  friction: see above."""

    grasp_radius: float = GRASP_RADIUS
    friction: bool = False


def step(scenes: Scenes, actions: FloatArray, live: Flags, physics: Physics) -> None:
    """Apply actions ``[N, 3]`` (dx, dy in steps of `MAX_STEP`; grip above 0 closes) in place to the live rows."""
    action = np.clip(actions, -1.0, 1.0)
    closing = action[:, 2] > 0
    was_closed, came_from = scenes.closed.copy(), scenes.gripper.copy()
    _move(scenes, action, live)
    scenes.held[live & ~closing] = NOTHING
    scenes.closed[live] = closing[live]
    empty = live & closing & (scenes.held == NOTHING)
    _grasp(scenes, np.flatnonzero(empty & ~was_closed), physics.grasp_radius)
    if physics.friction:
        _take_along(scenes, np.flatnonzero(empty & was_closed), came_from)
    _push(scenes, np.flatnonzero(empty & (scenes.held == NOTHING)))
    _separate(scenes, live)
    scenes.time += live
    scenes.success |= live & _solved(scenes)


def event_names(bits: int) -> tuple[str, ...]:
    return tuple(name for k, name in enumerate(EVENTS) if bits >> k & 1)


def inside(scenes: Scenes, radius: float) -> Flags:
    """``[N, 4]``: which objects lie within `radius` of the goal's center."""
    return _distance(scenes.objects, scenes.goal) < radius


def _distance(points: FloatArray, center: FloatArray) -> FloatArray:
    """Distances float32 ``[N, 4]`` of points ``[N, 4, 2]`` from a center ``[N, 2]``."""
    x, y = points[..., 0] - center[:, :1], points[..., 1] - center[:, 1:]
    distance: FloatArray = np.sqrt(x * x + y * y, dtype=np.float32)
    return distance


def _move(scenes: Scenes, action: FloatArray, live: Flags) -> None:
    moved = np.clip(scenes.gripper + action[:, :2] * np.float32(MAX_STEP), 0.02, 0.98)
    scenes.gripper[live] = moved[live]
    rows = np.flatnonzero(live & (scenes.held != NOTHING))
    scenes.objects[rows, scenes.held[rows]] = scenes.gripper[rows]


def _grasp(scenes: Scenes, rows: IntArray, radius: float) -> None:
    if not rows.size:
        return
    distance = _distance(scenes.objects[rows], scenes.gripper[rows])
    nearest = distance.argmin(1)
    caught = distance[np.arange(len(rows)), nearest] < radius
    rows, nearest = rows[caught], nearest[caught]
    scenes.held[rows] = nearest
    scenes.objects[rows, nearest] = scenes.gripper[rows]
    scenes.events[rows] |= np.where(scenes.targets[rows, nearest], _GRASPED, _GRASPED_OTHER)


def _take_along(scenes: Scenes, rows: IntArray, came_from: FloatArray) -> None:
    """Move objects that a fist touched and pushed along with it from its previous positions `came_from [N, 2]`."""
    if not rows.size:
        return
    before, objects = came_from[rows], scenes.objects[rows]
    motion = (scenes.gripper[rows] - before)[:, None]
    ahead = ((objects - before[:, None]) * motion).sum(-1) > 0
    taken = ahead & (_distance(objects, before) < _REACH + _CONTACT)
    scenes.objects[rows] = _on_table(np.where(taken[..., None], objects + motion, objects))
    scenes.events[rows[(taken & scenes.targets[rows]).any(1)]] |= _PUSHED


def _push(scenes: Scenes, rows: IntArray) -> None:
    """A fist moves each object it overlaps out along the line of centers."""
    if not rows.size:
        return
    away = scenes.objects[rows] - scenes.gripper[rows, None]
    distance = _distance(scenes.objects[rows], scenes.gripper[rows])
    overlap = np.maximum(_REACH - distance, 0)
    touched = overlap > 0
    if not touched.any():
        return
    scenes.objects[rows] = _on_table(scenes.objects[rows] + away * (overlap / (distance + 1e-6))[..., None])
    scenes.events[rows[(touched & scenes.targets[rows]).any(1)]] |= _PUSHED


def _separate(scenes: Scenes, live: Flags) -> None:
    """One sweep that moves overlapping objects apart, half the overlap each; a held one stays in the gripper."""
    gap = scenes.objects[:, _FIRST] - scenes.objects[:, _SECOND]
    close = (gap[..., 0] * gap[..., 0] + gap[..., 1] * gap[..., 1] < (2 * OBJECT_RADIUS) ** 2).any(1)
    rows = np.flatnonzero(close & live)
    if not rows.size:
        return
    objects = scenes.objects[rows]
    between = objects[:, :, None] - objects[:, None]
    distance = np.sqrt(between[..., 0] ** 2 + between[..., 1] ** 2) + 1e-6
    overlap = np.maximum(2 * OBJECT_RADIUS - distance, 0) * (1 - np.eye(OBJECTS, dtype=np.float32))
    shift = 0.5 * (between * (overlap / distance)[..., None]).sum(2)
    carrying = np.flatnonzero(scenes.held[rows] != NOTHING)
    shift[carrying, scenes.held[rows[carrying]]] = 0
    scenes.objects[rows] = _on_table(objects + shift)


def _on_table(objects: NDArray[np.floating]) -> NDArray[np.floating]:
    """Objects stay on the table; absent ones (x below -1) stay absent."""
    return np.where(objects[..., :1] > -1, np.clip(objects, 0.03, 0.97), objects)


def _solved(scenes: Scenes) -> Flags:
    """Every target lies in the goal, and none is held."""
    placed = (inside(scenes, SUCCESS_RADIUS) | ~scenes.targets).all(1)
    holds_target = (scenes.held != NOTHING) & scenes.targets[np.arange(len(scenes)), scenes.held]
    solved: Flags = placed & ~holds_target
    return solved
