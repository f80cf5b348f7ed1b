"""How high things stand, seen from above: a map of rays cast down at the collision geometry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.geometry import Points

NOTHING = -np.inf
_SHOWN_GROUP = 5  # an unused one
_DOWN = np.array([0.0, 0.0, -1.0])
_CEILING = 2.0  # metres: above every scene
_COARSE, _SEARCHED = 0.01, 0.25  # metres between rays, and to each side, when looking for open air
_SPARE = 0.02  # metres between what is lifted and what hangs beside it


@dataclass(frozen=True)
class Heights:
    """values: ``[N, N]`` metres, world; rows along x, columns along y; `NOTHING` where a ray met nothing.

    centre: xy of the middle.  step: metres between neighbours.
    """

    values: Points
    centre: Points
    step: float

    def at(self, points: Points) -> Points:
        """Heights at xy ``[..., 2]``, of the nearest ray; `NOTHING` outside the map."""
        middle = (len(self.values) - 1) / 2
        cells = np.rint((points - self.centre) / self.step + middle).astype(int)
        inside = ((cells >= 0) & (cells < len(self.values))).all(-1)
        cells = np.clip(cells, 0, len(self.values) - 1)
        return np.where(inside, self.values[cells[..., 0], cells[..., 1]], NOTHING)


def heights(scene: Scene, geoms: list[int], centre: Points, half: float, step: float = 0.004) -> Heights:
    """The map of these geoms, a square of ``2 * half`` metres."""
    count = round(half / step)
    offsets = np.arange(-count, count + 1) * step
    values = np.full((len(offsets), len(offsets)), NOTHING)
    group = np.zeros(6, np.uint8)
    group[_SHOWN_GROUP] = 1
    met = np.zeros(1, np.int32)
    with _only(scene.model, geoms):
        for row, x in enumerate(offsets):
            for column, y in enumerate(offsets):
                point = np.array([centre[0] + x, centre[1] + y, _CEILING])
                distance = mujoco.mj_ray(scene.model, scene.data, point, _DOWN, group, True, -1, met)
                if distance >= 0:
                    values[row, column] = _CEILING - distance
    return Heights(values, np.array(centre[:2]), step)


def others(scene: Scene, *besides: str) -> list[int]:
    """Every collision geom but the robot's and those of the objects named."""
    hidden = scene.robot_bodies().union(*(scene.bodies(name) for name in besides))
    return scene.body_geoms(set(range(scene.model.nbody)) - hidden)


def shift_to_open_air(scene: Scene, name: str) -> Points:
    """The shortest way, xy, metres, out from under what hangs over an object; zero where nothing does, or all does."""
    points = scene.points(name)
    low, high = points.min(0), points.max(0)
    middle, radius = (low[:2] + high[:2]) / 2, float(np.ptp(points, axis=0)[:2].max() / 2)
    above = heights(scene, others(scene, name), middle, radius, _COARSE)
    if not (above.at(points[:, :2]) > high[2]).any():
        return np.zeros(2)
    around = heights(scene, others(scene, name), middle, _SEARCHED, _COARSE)
    offsets = (np.arange(len(around.values)) - (len(around.values) - 1) / 2) * _COARSE
    shifts = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), -1)
    covered = shifts[around.values > high[2]]
    inner = shifts[np.abs(shifts).max(-1) < _SEARCHED - radius]
    apart = np.linalg.norm(inner[:, None] - covered, axis=-1).min(1)
    free = inner[apart > radius + _SPARE]
    return free[np.linalg.norm(free, axis=1).argmin()] if len(free) else np.zeros(2)


@contextlib.contextmanager
def _only(model: mujoco.MjModel, geoms: list[int]) -> Iterator[None]:
    """Rays see a geom by its group, and none whose colour is transparent, as collision geometry's is."""
    groups, colours = model.geom_group.copy(), model.geom_rgba.copy()
    model.geom_group[geoms] = _SHOWN_GROUP
    model.geom_rgba[geoms, 3] = 1.0
    try:
        yield
    finally:
        model.geom_group[:], model.geom_rgba[:] = groups, colours
