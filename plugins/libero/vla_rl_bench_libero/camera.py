"""Views of a fixed camera, direct and in mirrors: the geometry that decides which triangles are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """A pinhole camera, direct or as reflected by a mirror."""

    axes: Floats  # a world point p is ``axes @ p + origin`` to the right of, above and in front of the camera, meters
    origin: Floats
    focal: float  # pixels
    window: Floats  # left, bottom, right, top of the visible part, pixels from the image's lower left corner
    mirror: tuple[Floats, float] | None = None  # the mirror's normal, and its height along the normal, meters

    @property
    def mirrored(self) -> bool:
        return self.mirror is not None


def views(model: mujoco.MjModel, data: mujoco.MjData, camera: int, size: int, mirrors: Sequence[int]) -> list[View]:
    """Return a camera's view for an image of `size` x `size` pixels, then its view in each mirror."""
    axes = data.cam_xmat[camera].reshape(3, 3).T * np.array([[1.0], [1.0], [-1.0]])
    origin = -axes @ data.cam_xpos[camera]
    focal = size / 2 / np.tan(np.deg2rad(model.cam_fovy[camera]) / 2)
    direct = View(axes, origin, float(focal), np.array([0.0, 0.0, size, size]))
    near = near_plane(model)
    reflections = (_reflection(direct, model, data, mirror, near) for mirror in mirrors)
    return [direct, *(view for view in reflections if view is not None)]


def near_plane(model: mujoco.MjModel) -> float:
    """Return the distance of the near clipping plane, meters."""
    return float(model.vis.map.znear * model.stat.extent)


def mirrors(model: mujoco.MjModel, visible_geoms: NDArray[np.intp]) -> list[int]:
    """Return the geoms that MuJoCo may draw as mirrors: planes, and the tops of boxes."""
    flat = (mujoco.mjtGeom.mjGEOM_PLANE.value, mujoco.mjtGeom.mjGEOM_BOX.value)
    return [
        int(geom)
        for geom in visible_geoms
        if model.geom_type[geom] in flat
        and model.geom_matid[geom] >= 0
        and model.mat_reflectance[model.geom_matid[geom]] > 0
    ]


def _reflection(direct: View, model: mujoco.MjModel, data: mujoco.MjData, mirror: int, near: float) -> View | None:
    """Return a camera's view in a mirror; None if the camera is behind it."""
    rotation, center = data.geom_xmat[mirror].reshape(3, 3), data.geom_xpos[mirror].copy()
    normal, size = rotation[:, 2], model.geom_size[mirror]
    if model.geom_type[mirror] == mujoco.mjtGeom.mjGEOM_BOX.value:
        center += size[2] * normal
    eye = -direct.axes.T @ direct.origin
    if (eye - center) @ normal < 0:
        return None
    corners = center + np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * size[:2] @ rotation[:, :2].T
    across, up, depth = direct.axes @ corners.T + direct.origin[:, None]
    window = direct.window
    if depth.min() > 2 * near and size[:2].min() > 0:  # a plane of size 0 is infinite
        x, y = (window[2] / 2 + direct.focal * side / depth for side in (across, up))
        window = np.array([x.min() - 1, y.min() - 1, x.max() + 1, y.max() + 1])
    reflect = np.eye(3) - 2 * np.outer(normal, normal)
    offset = 2 * (center @ normal) * normal
    return View(
        direct.axes @ reflect,
        direct.axes @ offset + direct.origin,
        direct.focal,
        window,
        (normal, float(center @ normal)),
    )
