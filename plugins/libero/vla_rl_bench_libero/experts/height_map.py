"""Height maps from above: rays cast down at the collision geometry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points

EMPTY = -np.inf
_RAY_GROUP = 5  # an unused one
_DOWN = np.array([0.0, 0.0, -1.0])
_CEILING = 2.0  # meters: above every scene
_COARSE_STEP, _SEARCH_RADIUS = 0.01, 0.25  # meters between rays, and to each side, in the search for free space
_MARGIN = 0.02  # meters between a lifted object and an obstacle beside it


@dataclass(frozen=True)
class HeightMap:
    """A square grid of heights."""

    values: Points  # [N, N] meters, world; rows along x, columns along y; `EMPTY` if a ray hits nothing
    center: Points  # xy
    step: float  # meters between neighbors

    def at(self, points: Points) -> Points:
        """Return heights of the nearest rays to xy ``[..., 2]``; `EMPTY` outside the map."""
        middle = (len(self.values) - 1) / 2
        cells = np.rint((points - self.center) / self.step + middle).astype(int)
        inside = ((cells >= 0) & (cells < len(self.values))).all(-1)
        cells = np.clip(cells, 0, len(self.values) - 1)
        return np.where(inside, self.values[cells[..., 0], cells[..., 1]], EMPTY)


def height_map(scene: Scene, geoms: list[int], center: Points, half: float, step: float = 0.004) -> HeightMap:
    """Return the map of these geoms, a square of ``2 * half`` meters."""
    count = round(half / step)
    offsets = np.arange(-count, count + 1) * step
    values = np.full((len(offsets), len(offsets)), EMPTY)
    group = np.zeros(6, np.uint8)
    group[_RAY_GROUP] = 1
    hit_geom = np.zeros(1, np.int32)
    with _visible_to_rays(scene.model, geoms):
        for row, x in enumerate(offsets):
            for column, y in enumerate(offsets):
                point = np.array([center[0] + x, center[1] + y, _CEILING])
                distance = mujoco.mj_ray(scene.model, scene.data, point, _DOWN, group, True, -1, hit_geom)
                if distance >= 0:
                    values[row, column] = _CEILING - distance
    return HeightMap(values, np.array(center[:2]), step)


def other_geoms(scene: Scene, *names: str) -> list[int]:
    """Return all collision geoms except the robot's and those of the objects `names`."""
    hidden = scene.robot_bodies().union(*(scene.bodies(name) for name in names))
    return scene.body_geoms(set(range(scene.model.nbody)) - hidden)


def shift_to_free_space(scene: Scene, name: str) -> Points:
    """Return the shortest shift, xy, meters, out from under an obstacle; zero if there is none, or no free space."""
    points = scene.points(name)
    low, high = points.min(0), points.max(0)
    middle, radius = (low[:2] + high[:2]) / 2, float(np.ptp(points, axis=0)[:2].max() / 2)
    above = height_map(scene, other_geoms(scene, name), middle, radius, _COARSE_STEP)
    if not (above.at(points[:, :2]) > high[2]).any():
        return np.zeros(2)
    around = height_map(scene, other_geoms(scene, name), middle, _SEARCH_RADIUS, _COARSE_STEP)
    offsets = (np.arange(len(around.values)) - (len(around.values) - 1) / 2) * _COARSE_STEP
    shifts = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), -1)
    covered = shifts[around.values > high[2]]
    candidates = shifts[np.abs(shifts).max(-1) < _SEARCH_RADIUS - radius]
    distances = np.linalg.norm(candidates[:, None] - covered, axis=-1).min(1)
    free = candidates[distances > radius + _MARGIN]
    return free[np.linalg.norm(free, axis=1).argmin()] if len(free) else np.zeros(2)


@contextlib.contextmanager
def _visible_to_rays(model: mujoco.MjModel, geoms: list[int]) -> Iterator[None]:
    """Make only `geoms` visible to rays, which select geoms by group and ignore transparent ones."""
    groups, colors = model.geom_group.copy(), model.geom_rgba.copy()
    model.geom_group[geoms] = _RAY_GROUP
    model.geom_rgba[geoms, 3] = 1.0
    try:
        yield
    finally:
        model.geom_group[:], model.geom_rgba[:] = groups, colors
