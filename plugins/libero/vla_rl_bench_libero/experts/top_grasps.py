"""Grasps from above of any shape: a wall, a rim, a handle, or the whole thing, wherever both fingers find room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench_libero.experts.height_map import Heights, heights, others
from vla_rl_bench_libero.experts.pinch_grasp import Hand, hand_rotation, plan_grasp
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points

_TURNS = np.deg2rad(np.arange(-90, 90, 15))
_STEP = 0.004  # metres between rays
# Cells from the middle to the open fingers' outer side (0.04 of opening, 0.016 of finger) and half a finger's width:
# with a margin for a hand that is not quite where it should be, and without.
_FINGERS = ((16, 4), (14, 2))
_OPENING = 9  # cells from the middle to the open fingers' inner side
_PALM = (26, 9)  # cells: half the palm's size along and across the fingers' motion
_PALM_HEIGHT = 0.03  # metres from the grip to the palm, less a margin
_ROOM_HEIGHT = 0.04  # the same, for what stands beside the object
_DEPTHS = (0.026, 0.018, 0.012)  # metres that the finger tips reach below the top of what they hold
_DEPTH_COST = 0.5  # per metre not reached
_TURN_COST, _LEVER_COST, _WIDTH_COST = (
    0.008,
    0.15,
    0.2,
)  # a radian of turning; a metre from the centre of mass; of width
_BLOCKED_COST = 0.1  # where the hand would not find room at the place to go


@dataclass(frozen=True)
class TopGrasp:
    """rotation: the hand's, its frame -> world.

    offset, middle: of the grip and of the object's middle from the object's origin, xy, metres.

    height: of the grip; top, bottom: of the object; metres, world.  width: of what is between the fingers, metres.
    """

    rotation: Points
    offset: Points
    middle: Points
    height: float
    top: float
    bottom: float
    width: float
    cost: float

    def resembles(self, other: TopGrasp) -> bool:
        """Near enough to one that failed, to fail too."""
        return bool(np.linalg.norm(self.offset - other.offset) < 0.02) and abs(self.height - other.height) < 0.008


def pinch(scene: Scene, name: str, beside: str, hand: Hand) -> TopGrasp:
    """The whole object between the fingers, whether it fits or not.  beside: what the hand may come near."""
    found = plan_grasp(scene.instance, name, beside, hand)
    return TopGrasp(
        found.rotation, found.centre, found.centre, found.height, found.top, found.bottom, found.width, cost=0.0
    )


def has_room(scene: Scene, name: str, grasp: TopGrasp, hand: Hand) -> bool:
    """Whether nothing but the object itself is where the palm will be."""
    closing = grasp.rotation[:2, hand.finger_axis]
    position = scene.position(name)
    around = heights(scene, others(scene, name), position[:2] + grasp.offset, 0.11, 0.01)
    rows, columns = np.arange(-0.1, 0.101, 0.01), np.arange(-0.03, 0.031, 0.01)
    across = np.array([-closing[1], closing[0]])
    grid = position[:2] + grasp.offset + rows[:, None, None] * closing + columns[None, :, None] * across
    return bool(around.at(grid).max() < grasp.height + _ROOM_HEIGHT)


@dataclass(frozen=True)
class Destination:
    """Where a grasp must find room again.  position: of the object's origin there, metres.  surroundings: what stands
    around it."""

    position: Points
    surroundings: Heights


def plan_grasps(scene: Scene, name: str, hand: Hand, to: Destination | None = None) -> list[TopGrasp]:
    """Grasps that find room for the fingers and the palm, the cheapest first; several of each direction."""
    points = scene.points(name)
    low, high = points.min(0), points.max(0)
    middle = (low[:2] + high[:2]) / 2
    half = float((high[:2] - low[:2]).max() / 2) + 0.012
    own = heights(scene, scene.body_geoms(scene.bodies(name)), middle, half, _STEP)
    around = heights(scene, others(scene, name), middle, half + 0.12, 2 * _STEP)
    closing = hand.rotation[:2, hand.finger_axis]
    now = float(np.arctan2(closing[1], closing[0]))
    mass = scene.data.subtree_com[scene.body(name)][:2]
    origin = scene.position(name)
    frames = {float(turn): _Frame(own, around, now + float(turn), half) for turn in _TURNS}
    for fingers in _FINGERS:
        found = []
        for turn, frame in frames.items():
            rotation = hand_rotation(hand, now + turn)
            for depth in _DEPTHS:
                for grip, height, width in frame.grips(depth, float(low[2]), *fingers):
                    lever = float(np.linalg.norm(grip - mass))
                    cost = _TURN_COST * abs(turn) + _LEVER_COST * lever + _WIDTH_COST * width
                    cost += _DEPTH_COST * (_DEPTHS[0] - depth)
                    if to is not None and _blocked(to, grip - origin[:2], height - float(origin[2]), now + turn):
                        cost += _BLOCKED_COST
                    found.append(
                        TopGrasp(
                            rotation, grip - origin[:2], middle - origin[:2], height,
                            float(high[2]), float(low[2]), width, cost,
                        )
                    )  # fmt: skip
        if found:
            return sorted(found, key=lambda one: one.cost)
    return []


class _Frame:
    """The maps turned so that rows run along the fingers' motion and columns across it."""

    def __init__(self, own: Heights, around: Heights, angle: float, half: float) -> None:
        self._along = np.array([np.cos(angle), np.sin(angle)])
        self._across = np.array([-self._along[1], self._along[0]])
        self._centre = own.centre
        reach = int(np.ceil(half * np.sqrt(2) / _STEP))
        self._rows = np.arange(-reach - _PALM[0], reach + _PALM[0] + 1) * _STEP
        self._columns = np.arange(-reach - _PALM[1], reach + _PALM[1] + 1) * _STEP
        grid = self._centre + self._rows[:, None, None] * self._along + self._columns[None, :, None] * self._across
        self._own = own.at(grid)
        self._all = np.maximum(self._own, around.at(grid))

    def grips(self, depth: float, bottom: float, finger: int, pad_cells: int) -> list[tuple[Points, float, float]]:
        """-> (xy of the grip, height, width between the fingers), metres, world; some of this direction.

        finger, pad_cells: one of `_FINGERS`.
        """
        height = np.maximum(self._own - depth, bottom + 0.008)
        height[~np.isfinite(self._own)] = np.inf
        pad = _widest(self._all, 0, pad_cells)
        strip = np.stack([_shifted(pad, along) for along in range(-finger, finger + 1)])
        filled = strip > height - 0.003
        before, after = _run(filled[finger::-1]), _run(filled[finger:])
        width = before + after - 1
        free = filled.sum(0) == width
        centred = np.abs(before - after) <= 1
        fits = (np.maximum(before, after) <= _OPENING) & (before >= 1) & (after >= 1)
        palm = _widest(_widest(self._all, 0, _PALM[1]), _PALM[0], 0)
        held = _widest(-self._own, 0, 1) < -(height + 0.006)  # the pads meet something all along their width
        good = np.isfinite(self._own) & free & centred & fits & held & (palm < height + _PALM_HEIGHT)
        places = np.argwhere(good)
        places = places[np.linspace(0, len(places) - 1, min(len(places), 24)).astype(int)]
        return [self._grip(int(row), int(column), height, width) for row, column in places]

    def _grip(self, row: int, column: int, height: Points, width: NDArray[np.int64]) -> tuple[Points, float, float]:
        place = self._centre + self._rows[row] * self._along + self._columns[column] * self._across
        return place, float(height[row, column]), float(width[row, column] * _STEP)


def _shifted(values: Points, along: int) -> Points:
    """Row i holds what row ``i + along`` held; nothing beyond the border."""
    moved = np.full_like(values, -np.inf)
    if along >= 0:
        moved[: len(values) - along] = values[along:]
    else:
        moved[-along:] = values[:along]
    return moved


def _widest(values: Points, along: int, across: int) -> Points:
    """The highest within so many cells, rows `along` and columns `across`."""
    found = values
    for cells, turned in ((along, False), (across, True)):
        source = found.T if turned else found
        best = np.max(np.stack([_shifted(source, shift) for shift in range(-cells, cells + 1)]), 0)
        found = best.T if turned else best
    return found


def _run(filled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many cells from the first on are filled without a gap; ``[M, ...]`` -> ``[...]``."""
    counts: NDArray[np.int64] = np.cumprod(filled.astype(np.int64), 0).sum(0)
    return counts


def _blocked(to: Destination, offset: Points, above: float, angle: float) -> bool:
    """Whether fingers or palm would meet something where the object goes."""
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    centre, height = to.position[:2] + offset, float(to.position[2]) + above

    def highest(half_along: float, half_across: float) -> float:
        rows, columns = (
            np.arange(-half_along, half_along + 1e-6, 0.008),
            np.arange(-half_across, half_across + 1e-6, 0.008),
        )
        grid = centre + rows[:, None, None] * along + columns[None, :, None] * across
        return float(to.surroundings.at(grid).max())

    return highest(0.056, 0.01) > height - 0.003 or highest(0.105, 0.036) > height + _PALM_HEIGHT
