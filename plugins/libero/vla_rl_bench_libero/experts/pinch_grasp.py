"""Choosing a grasp from above: along which horizontal direction the fingers close, and how deep the hand goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vla_rl_bench_libero.geometry import Points, object_points, obstacle_points

GRIPPER_OPENING = 0.076  # metres between the Panda's open fingers (0.08), less a margin
_TURNS = np.deg2rad(np.arange(-90, 90, 10))
_TURN_COST = 0.008  # metres of width that a radian of turning is worth
_HIT_COST = 0.05  # metres of width that a point of an obstacle in the way is worth
_HITS_COUNTED = 20


@dataclass(frozen=True)
class Hand:
    """The gripper now.

    rotation: site frame -> world, ``[3, 3]``; finger_axis: its column along which the fingers close.
    """

    rotation: Points
    finger_axis: int


@dataclass(frozen=True)
class Grasp:
    """rotation: the hand's, site frame -> world.  centre: of the object from its body's origin, xy, metres.

    height, top, bottom: of the grip, of the object's highest and lowest point, metres, world.
    width: of the object between the fingers, metres.
    """

    rotation: Points
    centre: Points
    height: float
    top: float
    bottom: float
    width: float


def plan_grasp(instance: Any, name: str, target: str, hand: Hand) -> Grasp:
    """The cheapest direction that fits the gripper; the narrowest where none does."""
    points = object_points(instance, name)
    top, bottom = float(points[:, 2].max()), float(points[:, 2].min())
    height = _grip_height(top, bottom)
    centre = (points[:, :2].max(0) + points[:, :2].min(0)) / 2
    obstacles = obstacle_points(instance, besides=(name, target))
    obstacles = obstacles[obstacles[:, 2] > height - 0.015]
    closing = hand.rotation[:2, hand.finger_axis]
    angle = float(np.arctan2(closing[1], closing[0]))
    _, width, angle = min(_candidate(points, obstacles, centre, height, angle, turn) for turn in _TURNS)
    body = instance.sim.data.body_xpos[instance.obj_body_id[name]][:2]
    return Grasp(hand_rotation(hand, angle), centre - body, height, top, bottom, width)


def _grip_height(top: float, bottom: float) -> float:
    """3 cm below the top of a tall object, at half the height of a flat one; never on the floor."""
    if top - bottom > 0.05:
        return max(top - 0.03, bottom + 0.012)
    return max((top + bottom) / 2, bottom + 0.01)


def _candidate(
    points: Points, obstacles: Points, centre: Points, height: float, angle: float, turn: float
) -> tuple[float, float, float]:
    """-> cost (metres), width (metres), angle (radians) of closing the fingers along ``angle + turn``."""
    along = np.array([np.cos(angle + turn), np.sin(angle + turn)])
    across = np.array([-along[1], along[0]])
    spread = points[:, :2] @ along
    width = float(spread.max() - spread.min())
    x, y = np.abs((obstacles[:, :2] - centre) @ along), np.abs((obstacles[:, :2] - centre) @ across)
    fingers = (x < 0.065) & (y < 0.02)
    palm = (x < 0.11) & (y < 0.035) & (obstacles[:, 2] > height + 0.09)
    hits = min(int(fingers.sum() + palm.sum()), _HITS_COUNTED)
    too_wide = 1.0 if width > GRIPPER_OPENING else 0.0
    return too_wide + width + _TURN_COST * abs(turn) + _HIT_COST * hits, width, angle + turn


def hand_rotation(hand: Hand, angle: float) -> Points:
    """The hand pointing straight down, fingers closing along `angle`, turned the nearer way round."""
    closing = np.array([np.cos(angle), np.sin(angle), 0.0])
    if closing @ hand.rotation[:, hand.finger_axis] < 0:
        closing = -closing
    down = np.array([0.0, 0.0, -1.0])
    other = np.cross(down, closing) if hand.finger_axis == 0 else np.cross(closing, down)
    rotation = np.zeros((3, 3))
    rotation[:, 2], rotation[:, hand.finger_axis], rotation[:, 1 - hand.finger_axis] = down, closing, other
    return rotation
