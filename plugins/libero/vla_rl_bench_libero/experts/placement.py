"""Where an object is to go, as a predicate says it: into a region, onto an object, onto a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vla_rl_bench_libero.experts.height_map import heights, others
from vla_rl_bench_libero.experts.manipulator import Manipulator
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points, obstacle_points

_CLEARANCE = 0.03  # metres between what hangs from the hand and what it passes over
_CORRIDOR = 0.1  # metres to either side of the way


class Place(Protocol):
    """owner: the object that receives, which the hand may come near.  centred: the middle of the object goes to the
    place, rather than its origin."""

    @property
    def centred(self) -> bool: ...

    def owner(self, scene: Scene) -> str | None: ...

    def position(self, scene: Scene) -> Points:
        """Where the object's origin, or its middle, should be, metres, world."""
        ...

    def floor(self, scene: Scene) -> float:
        """The height on which the object will come to rest, metres, world."""
        ...

    def heights(self, scene: Scene, name: str, hangs: float, hand: Manipulator) -> tuple[float, float]:
        """-> heights of the hand, metres, world: to travel at, and to let go at.  hangs: the object's reach below."""
        ...


@dataclass(frozen=True)
class Into:
    """A region with walls: a basket, a tray, an open drawer, a caddy's compartment."""

    region: str
    centred: bool = True

    def owner(self, scene: Scene) -> str | None:
        return scene.owner(self.region)

    def position(self, scene: Scene) -> Points:
        return scene.position(self.region)

    def floor(self, scene: Scene) -> float:
        return float(self.position(scene)[2])

    def heights(self, scene: Scene, name: str, hangs: float, hand: Manipulator) -> tuple[float, float]:
        floor = self.floor(scene)
        if scene.joints(self.region):  # a drawer: a middle as high as its walls
            return floor + hangs + 0.08, floor + hangs + 0.02
        return max(floor + hangs + 0.13, hand.start_height - 0.02), floor + hangs + 0.02


@dataclass(frozen=True)
class Onto:
    """An object, or a region without walls: a plate, another bowl, a stove's burner, a patch of the table."""

    target: str
    aside: tuple[float, float] = (0.0, 0.0)  # metres from the middle, xy: where others want a place there too
    centred: bool = False

    def owner(self, scene: Scene) -> str | None:
        return scene.owner(self.target) if scene.is_site(self.target) else self.target

    def position(self, scene: Scene) -> Points:
        return np.array(scene.position(self.target) + np.array([*self.aside, 0.0]))

    def floor(self, scene: Scene) -> float:
        if not scene.is_site(self.target):
            return float(scene.points(self.target)[:, 2].max())
        seen = heights(scene, others(scene), self.position(scene)[:2], 0.03, step=0.01).values
        found = seen[np.isfinite(seen)]
        return float(found.max()) if found.size else float(self.position(scene)[2])

    def heights(self, scene: Scene, name: str, hangs: float, hand: Manipulator) -> tuple[float, float]:
        release = self.floor(scene) + hangs + 0.006
        over = highest_between(scene, scene.position(name)[:2], self.position(scene)[:2], (name, self.target))
        return max(release + 0.08, float(hand.position[2]) + 0.06, over + hangs + _CLEARANCE), release


def highest_between(scene: Scene, start: Points, end: Points, besides: tuple[str, ...]) -> float:
    """The height of the highest thing near the straight way, metres; minus infinity where there is none."""
    points = obstacle_points(scene.instance, besides)
    way = end - start
    length = max(float(np.linalg.norm(way)), 1e-6)
    along = np.clip((points[:, :2] - start) @ way / length**2, 0, 1)
    near = np.linalg.norm(points[:, :2] - (start + along[:, None] * way), axis=1) < _CORRIDOR
    return float(points[near, 2].max()) if near.any() else -np.inf
