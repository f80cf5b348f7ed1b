"""Grasps from above of any shape: a wall, a rim, a handle or the whole object, if both fingers have room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench_libero.experts.height_map import HeightMap, height_map, other_geoms
from vla_rl_bench_libero.experts.pinch_grasp import Hand, hand_rotation, plan_pinch_grasp
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points

_TURNS = np.deg2rad(np.arange(-90, 90, 15))
_STEP = 0.004  # meters between rays
# Cells from the middle to the open fingers' outer side (0.04 of opening, 0.016 of finger) and half a finger's width:
# with a margin for the hand's position error, and without.
_FINGERS = ((16, 4), (14, 2))
_OPENING = 9  # cells from the middle to the open fingers' inner side
_PALM = (26, 9)  # cells: half the palm's size along and across the fingers' motion
_PALM_HEIGHT = 0.03  # meters from the grip to the palm, less a margin
_ROOM_HEIGHT = 0.04  # the same, above obstacles beside the object
_DEPTHS = (0.026, 0.018, 0.012)  # meters from the top of the grasped part down to the finger tips
_DEPTH_COST = 0.5  # per meter not reached
_TURN_COST = 0.008  # per radian of turning
_LEVER_COST = 0.15  # per meter from the center of mass
_WIDTH_COST = 0.2  # per meter of width
_BLOCKED_COST = 0.1  # if the hand has no room at the destination


@dataclass(frozen=True)
class TopGrasp:
    """A grasp from above and its cost."""

    rotation: Points  # of the hand, its frame to world
    offset: Points  # of the grip from the object's origin, xy, meters
    middle: Points  # of the object's middle from its origin, xy, meters
    height: float  # of the grip, meters, world
    top: float  # the object's highest point
    bottom: float  # its lowest point
    width: float  # of the part between the fingers, meters
    cost: float

    def resembles(self, failed: TopGrasp) -> bool:
        """Check if the grasp is close enough to a failed grasp to fail too."""
        return bool(np.linalg.norm(self.offset - failed.offset) < 0.02) and abs(self.height - failed.height) < 0.008


def pinch(scene: Scene, name: str, target: str, hand: Hand) -> TopGrasp:
    """Return a grasp of the whole object, even if it does not fit.  target: an object that the hand may come near."""
    grasp = plan_pinch_grasp(scene.instance, name, target, hand)
    return TopGrasp(
        grasp.rotation, grasp.center, grasp.center, grasp.height, grasp.top, grasp.bottom, grasp.width, cost=0.0
    )


def has_room(scene: Scene, name: str, grasp: TopGrasp, hand: Hand) -> bool:
    """Check that the palm's space contains nothing but the object itself."""
    closing = grasp.rotation[:2, hand.finger_axis]
    position = scene.position(name)
    around = height_map(scene, other_geoms(scene, name), position[:2] + grasp.offset, 0.11, 0.01)
    rows, columns = np.arange(-0.1, 0.101, 0.01), np.arange(-0.03, 0.031, 0.01)
    across = np.array([-closing[1], closing[0]])
    grid = position[:2] + grasp.offset + rows[:, None, None] * closing + columns[None, :, None] * across
    return bool(around.at(grid).max() < grasp.height + _ROOM_HEIGHT)


@dataclass(frozen=True)
class Destination:
    """The place for an object, where the hand must have room again."""

    position: Points  # of the object's origin, meters
    surroundings: HeightMap


def plan_grasps(scene: Scene, name: str, hand: Hand, destination: Destination | None = None) -> list[TopGrasp]:
    """Return grasps with room for the fingers and the palm, the cheapest first; several per direction."""
    points = scene.points(name)
    low, high = points.min(0), points.max(0)
    middle = (low[:2] + high[:2]) / 2
    half_size = float((high[:2] - low[:2]).max() / 2) + 0.012
    object_map = height_map(scene, scene.body_geoms(scene.bodies(name)), middle, half_size, _STEP)
    surroundings = height_map(scene, other_geoms(scene, name), middle, half_size + 0.12, 2 * _STEP)
    closing = hand.rotation[:2, hand.finger_axis]
    angle = float(np.arctan2(closing[1], closing[0]))
    center_of_mass = scene.data.subtree_com[scene.body(name)][:2]
    origin = scene.position(name)
    frames = {float(turn): _TurnedMaps(object_map, surroundings, angle + float(turn), half_size) for turn in _TURNS}
    for fingers in _FINGERS:
        grasps = []
        for turn, frame in frames.items():
            rotation = hand_rotation(hand, angle + turn)
            for depth in _DEPTHS:
                for grip, height, width in frame.grips(depth, float(low[2]), *fingers):
                    lever = float(np.linalg.norm(grip - center_of_mass))
                    cost = _TURN_COST * abs(turn) + _LEVER_COST * lever + _WIDTH_COST * width
                    cost += _DEPTH_COST * (_DEPTHS[0] - depth)
                    if destination is not None and _blocked(
                        destination, grip - origin[:2], height - float(origin[2]), angle + turn
                    ):
                        cost += _BLOCKED_COST
                    grasps.append(
                        TopGrasp(
                            rotation, grip - origin[:2], middle - origin[:2], height,
                            float(high[2]), float(low[2]), width, cost,
                        )
                    )  # fmt: skip
        if grasps:
            return sorted(grasps, key=lambda grasp: grasp.cost)
    return []


class _TurnedMaps:
    """Height maps rotated to the fingers: rows are along their motion, columns across it."""

    def __init__(self, own: HeightMap, around: HeightMap, angle: float, half: float) -> None:
        self._along = np.array([np.cos(angle), np.sin(angle)])
        self._across = np.array([-self._along[1], self._along[0]])
        self._center = own.center
        reach = int(np.ceil(half * np.sqrt(2) / _STEP))
        self._rows = np.arange(-reach - _PALM[0], reach + _PALM[0] + 1) * _STEP
        self._columns = np.arange(-reach - _PALM[1], reach + _PALM[1] + 1) * _STEP
        grid = self._center + self._rows[:, None, None] * self._along + self._columns[None, :, None] * self._across
        self._own = own.at(grid)
        self._all = np.maximum(self._own, around.at(grid))

    def grips(self, depth: float, bottom: float, finger: int, pad_cells: int) -> list[tuple[Points, float, float]]:
        """Return grips of this direction: xy, height and width between the fingers, meters, world.

        finger, pad_cells: an element of `_FINGERS`.
        """
        height = np.maximum(self._own - depth, bottom + 0.008)
        height[~np.isfinite(self._own)] = np.inf
        pad = _max_filter(self._all, 0, pad_cells)
        strip = np.stack([_shift_rows(pad, along) for along in range(-finger, finger + 1)])
        filled = strip > height - 0.003
        before, after = _run_length(filled[finger::-1]), _run_length(filled[finger:])
        width = before + after - 1
        free = filled.sum(0) == width
        centered = np.abs(before - after) <= 1
        fits = (np.maximum(before, after) <= _OPENING) & (before >= 1) & (after >= 1)
        palm = _max_filter(_max_filter(self._all, 0, _PALM[1]), _PALM[0], 0)
        # the pads touch the object along their whole width
        supported = _max_filter(-self._own, 0, 1) < -(height + 0.006)
        valid = np.isfinite(self._own) & free & centered & fits & supported & (palm < height + _PALM_HEIGHT)
        cells = np.argwhere(valid)
        cells = cells[np.linspace(0, len(cells) - 1, min(len(cells), 24)).astype(int)]
        return [self._grip(int(row), int(column), height, width) for row, column in cells]

    def _grip(self, row: int, column: int, height: Points, width: NDArray[np.int64]) -> tuple[Points, float, float]:
        position = self._center + self._rows[row] * self._along + self._columns[column] * self._across
        return position, float(height[row, column]), float(width[row, column] * _STEP)


def _shift_rows(values: Points, along: int) -> Points:
    """Move row ``i + along`` to row i; rows beyond the border are minus infinity."""
    moved = np.full_like(values, -np.inf)
    if along >= 0:
        moved[: len(values) - along] = values[along:]
    else:
        moved[-along:] = values[:along]
    return moved


def _max_filter(values: Points, along: int, across: int) -> Points:
    """Return the maximum within `along` rows and `across` columns of each cell."""
    maxima = values
    for cells, turned in ((along, False), (across, True)):
        source = maxima.T if turned else maxima
        best = np.max(np.stack([_shift_rows(source, shift) for shift in range(-cells, cells + 1)]), 0)
        maxima = best.T if turned else best
    return maxima


def _run_length(filled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the filled cells from the first to the first gap, along the first axis."""
    counts: NDArray[np.int64] = np.cumprod(filled.astype(np.int64), 0).sum(0)
    return counts


def _blocked(destination: Destination, offset: Points, above: float, angle: float) -> bool:
    """Check if fingers or palm would touch something at the destination."""
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    center, height = destination.position[:2] + offset, float(destination.position[2]) + above

    def highest(half_along: float, half_across: float) -> float:
        rows, columns = (
            np.arange(-half_along, half_along + 1e-6, 0.008),
            np.arange(-half_across, half_across + 1e-6, 0.008),
        )
        grid = center + rows[:, None, None] * along + columns[None, :, None] * across
        return float(destination.surroundings.at(grid).max())

    return highest(0.056, 0.01) > height - 0.003 or highest(0.105, 0.036) > height + _PALM_HEIGHT
