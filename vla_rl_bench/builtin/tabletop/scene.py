"""State of many tables side by side, and the initial states of episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.builtin.tabletop.suites import Layout
from vla_rl_bench.types import FloatArray, IntArray, Start

OBJECTS = ZONES = 4  # places in the arrays below; a scene may use fewer
OBJECT_RADIUS = 0.055  # table widths
ZONE_RADIUS = 0.12
NOTHING = -1
_ELSEWHERE = np.array([[-9.0, -9.0 - k] for k in range(OBJECTS)], np.float32)  # absent objects, apart from each other

Flags = NDArray[np.bool_]


@dataclass
class Scenes:
    """N tables, one a row.  Lengths are table widths; N is the leading axis of every array.

    objects ``[N, 4, 2]`` and zones ``[N, 4, 2]``: centers, absent ones far off the table.  object_colors,
    zone_colors ``[N, 4]``: palette indices.  targets ``[N, 4]``: the objects that must reach ``goal [N, 2]``.
    gripper ``[N, 2]``; closed ``[N]``; held ``[N]``: index of the object in the gripper, or NOTHING.
    task ``[N]``; time, limit ``[N]``: steps taken and allowed; success ``[N]``; events ``[N]``: bits of `dynamics`.
    """

    objects: FloatArray
    object_colors: IntArray
    zones: FloatArray
    zone_colors: IntArray
    targets: Flags
    goal: FloatArray
    gripper: FloatArray
    closed: Flags
    held: IntArray
    task: IntArray
    time: IntArray
    limit: IntArray
    success: Flags
    events: IntArray

    def __len__(self) -> int:
        return len(self.time)

    @property
    def done(self) -> Flags:
        return self.success | (self.time >= self.limit)

    def take(self, rows: IntArray) -> Self:
        """A copy of these rows."""
        return type(self)(**{name: getattr(self, name)[rows] for name in _NAMES})

    def put(self, rows: IntArray, source: Scenes) -> None:
        """Write `source` into these rows."""
        for name in _NAMES:
            getattr(self, name)[rows] = getattr(source, name)

    @classmethod
    def concatenate(cls, parts: Sequence[Scenes]) -> Self:
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES})


_NAMES = tuple(field.name for field in fields(Scenes))


def blank(rows: int) -> Scenes:
    """Empty tables with an open gripper in the middle; their episodes are over (no step is allowed)."""
    elsewhere = np.broadcast_to(_ELSEWHERE, (rows, OBJECTS, 2))
    return Scenes(
        objects=elsewhere.copy(),
        object_colors=np.zeros((rows, OBJECTS), np.int64),
        zones=elsewhere.copy(),
        zone_colors=np.zeros((rows, ZONES), np.int64),
        targets=np.zeros((rows, OBJECTS), np.bool_),
        goal=np.full((rows, 2), 0.5, np.float32),
        gripper=np.full((rows, 2), 0.5, np.float32),
        closed=np.zeros(rows, np.bool_),
        held=np.full(rows, NOTHING, np.int64),
        task=np.zeros(rows, np.int64),
        time=np.zeros(rows, np.int64),
        limit=np.zeros(rows, np.int64),
        success=np.zeros(rows, np.bool_),
        events=np.zeros(rows, np.int64),
    )


def initial(layout: Layout, start: Start, jitter: float) -> Scenes:
    """One row: the layout, its objects moved by up to `jitter` times its spread, the gripper by half of that."""
    random = np.random.default_rng([start.index, start.task])
    jitter = jitter * layout.spread
    scene = blank(1)
    objects, zones = len(layout.objects), len(layout.zones)
    scene.objects[0, :objects] = _apart(np.array(layout.objects), jitter, random)
    scene.object_colors[0, :objects] = layout.object_colors
    scene.zones[0, :zones] = layout.zones
    scene.zone_colors[0, :zones] = layout.zone_colors
    scene.targets[0, list(layout.targets)] = True
    scene.goal[0] = layout.zones[layout.goal]
    scene.gripper[0] = layout.gripper + random.uniform(-0.5, 0.5, 2) * jitter
    scene.task[0], scene.limit[0] = start.task, layout.step_limit
    return scene


def _apart(places: NDArray[np.float64], jitter: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Jittered places that do not touch; the canonical ones are further apart than that."""
    for _ in range(100):
        moved = places + random.uniform(-jitter, jitter, places.shape)
        gaps = np.linalg.norm(moved[:, None] - moved[None], axis=-1) + np.eye(len(places))
        if gaps.min() > 2.05 * OBJECT_RADIUS:
            return moved
    return places
