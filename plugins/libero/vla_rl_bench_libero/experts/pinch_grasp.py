"""Pinch grasp from above of a whole object: the direction in which the fingers close, and the height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vla_rl_bench_libero.geometry import Points, object_points, obstacle_points

GRIPPER_OPENING = 0.076  # meters between the Panda's open fingers (0.08), less a margin
_TURNS = np.deg2rad(np.arange(-90, 90, 10))
_TURN_COST = 0.008  # meters of width equivalent to a radian of turning
_HIT_COST = 0.05  # meters of width equivalent to an obstacle point in the way
_HITS_COUNTED = 20


@dataclass(frozen=True)
class Hand:
    """The current orientation of the gripper."""

    rotation: Points  # site frame to world, [3, 3]
    finger_axis: int  # the column of `rotation` along which the fingers close


@dataclass(frozen=True)
class PinchGrasp:
    """A pose of the hand in which its fingers enclose an object."""

    rotation: Points  # of the hand, site frame to world
    center: Points  # of the object from its body's origin, xy, meters
    height: float  # of the grip, meters, world
    top: float  # the object's highest point
    bottom: float  # its lowest point
    width: float  # of the object between the fingers, meters


def plan_pinch_grasp(instance: Any, name: str, target: str, hand: Hand) -> PinchGrasp:
    """Return the cheapest grasp that fits the gripper, or the narrowest if none fits."""
    points = object_points(instance, name)
    top, bottom = float(points[:, 2].max()), float(points[:, 2].min())
    height = _grip_height(top, bottom)
    center = (points[:, :2].max(0) + points[:, :2].min(0)) / 2
    obstacles = obstacle_points(instance, ignored=(name, target))
    obstacles = obstacles[obstacles[:, 2] > height - 0.015]
    closing = hand.rotation[:2, hand.finger_axis]
    angle = float(np.arctan2(closing[1], closing[0]))
    _, width, angle = min(_candidate(points, obstacles, center, height, angle, turn) for turn in _TURNS)
    body = instance.sim.data.body_xpos[instance.obj_body_id[name]][:2]
    return PinchGrasp(hand_rotation(hand, angle), center - body, height, top, bottom, width)


def _grip_height(top: float, bottom: float) -> float:
    """Return 3 cm below the top of a tall object, half the height of a flat one; always above the floor."""
    if top - bottom > 0.05:
        return max(top - 0.03, bottom + 0.012)
    return max((top + bottom) / 2, bottom + 0.01)


def _candidate(
    points: Points, obstacles: Points, center: Points, height: float, angle: float, turn: float
) -> tuple[float, float, float]:
    """Return cost (meters), width (meters) and angle (radians) of closing the fingers along ``angle + turn``."""
    along = np.array([np.cos(angle + turn), np.sin(angle + turn)])
    across = np.array([-along[1], along[0]])
    spread = points[:, :2] @ along
    width = float(spread.max() - spread.min())
    x, y = np.abs((obstacles[:, :2] - center) @ along), np.abs((obstacles[:, :2] - center) @ across)
    fingers = (x < 0.065) & (y < 0.02)
    palm = (x < 0.11) & (y < 0.035) & (obstacles[:, 2] > height + 0.09)
    hits = min(int(fingers.sum() + palm.sum()), _HITS_COUNTED)
    too_wide = 1.0 if width > GRIPPER_OPENING else 0.0
    return too_wide + width + _TURN_COST * abs(turn) + _HIT_COST * hits, width, angle + turn


def hand_rotation(hand: Hand, angle: float) -> Points:
    """Return the rotation of a hand that points down and closes along `angle`, by the smaller turn."""
    closing = np.array([np.cos(angle), np.sin(angle), 0.0])
    if closing @ hand.rotation[:, hand.finger_axis] < 0:
        closing = -closing
    down = np.array([0.0, 0.0, -1.0])
    side = np.cross(down, closing) if hand.finger_axis == 0 else np.cross(closing, down)
    rotation = np.zeros((3, 3))
    rotation[:, 2], rotation[:, hand.finger_axis], rotation[:, 1 - hand.finger_axis] = down, closing, side
    return rotation
