"""Placement targets of predicates: inside a region, on an object, on a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vla_rl_bench_libero.experts.height_map import height_map, other_geoms
from vla_rl_bench_libero.experts.manipulator import Manipulator
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points, obstacle_points

_CLEARANCE = 0.03  # meters between the carried object and obstacles below
_CORRIDOR = 0.1  # meters to either side of the path


class PlacementTarget(Protocol):
    """A target of pick and place."""

    @property
    def centered(self) -> bool:
        """True if the object's middle goes to the target, False for its origin."""
        ...

    def owner(self, scene: Scene) -> str | None:
        """Return the receiving object, which the hand may come near."""
        ...

    def position(self, scene: Scene) -> Points:
        """Return the target position of the object's origin or middle, meters, world."""
        ...

    def floor(self, scene: Scene) -> float:
        """Return the height at which the object will rest, meters, world."""
        ...

    def heights(self, scene: Scene, name: str, below_hand: float, hand: Manipulator) -> tuple[float, float]:
        """Return the hand's heights for carrying and for release, meters, world.

        below_hand: how far the object extends below the hand, meters.
        """
        ...


@dataclass(frozen=True)
class InsideRegion:
    """A region with walls: a basket, a tray, an open drawer, a caddy's compartment."""

    region: str
    centered: bool = True

    def owner(self, scene: Scene) -> str | None:
        return scene.owner(self.region)

    def position(self, scene: Scene) -> Points:
        return scene.position(self.region)

    def floor(self, scene: Scene) -> float:
        return float(self.position(scene)[2])

    def heights(self, scene: Scene, name: str, below_hand: float, hand: Manipulator) -> tuple[float, float]:
        floor = self.floor(scene)
        if scene.joints(self.region):  # a drawer: its middle is as high as its walls
            return floor + below_hand + 0.08, floor + below_hand + 0.02
        return max(floor + below_hand + 0.13, hand.start_height - 0.02), floor + below_hand + 0.02


@dataclass(frozen=True)
class OnSurface:
    """An object, or a region without walls: a plate, another bowl, a stove's burner, a patch of the table."""

    target: str
    offset: tuple[float, float] = (0.0, 0.0)  # meters from the middle, xy, if other objects go there too
    centered: bool = False

    def owner(self, scene: Scene) -> str | None:
        return scene.owner(self.target) if scene.is_site(self.target) else self.target

    def position(self, scene: Scene) -> Points:
        return np.array(scene.position(self.target) + np.array([*self.offset, 0.0]))

    def floor(self, scene: Scene) -> float:
        if not scene.is_site(self.target):
            return float(scene.points(self.target)[:, 2].max())
        values = height_map(scene, other_geoms(scene), self.position(scene)[:2], 0.03, step=0.01).values
        surface = values[np.isfinite(values)]
        return float(surface.max()) if surface.size else float(self.position(scene)[2])

    def heights(self, scene: Scene, name: str, below_hand: float, hand: Manipulator) -> tuple[float, float]:
        release = self.floor(scene) + below_hand + 0.006
        over = highest_between(scene, scene.position(name)[:2], self.position(scene)[:2], (name, self.target))
        return max(release + 0.08, float(hand.position[2]) + 0.06, over + below_hand + _CLEARANCE), release


def highest_between(scene: Scene, start: Points, end: Points, ignored: tuple[str, ...]) -> float:
    """Return the height of the highest obstacle near the straight path, meters; minus infinity if there is none."""
    points = obstacle_points(scene.instance, ignored)
    path = end - start
    length = max(float(np.linalg.norm(path)), 1e-6)
    along = np.clip((points[:, :2] - start) @ path / length**2, 0, 1)
    near = np.linalg.norm(points[:, :2] - (start + along[:, None] * path), axis=1) < _CORRIDOR
    return float(points[near, 2].max()) if near.any() else -np.inf
