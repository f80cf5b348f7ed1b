"""Points on the collision geometry of LIBERO's objects, in the world frame."""

from __future__ import annotations

from itertools import product
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_COLLISION_GROUP = 0  # robosuite: group 0 collides, group 1 is visible
_GRID = np.array(list(product(np.linspace(-1, 1, 5), repeat=3)))  # fills a primitive's bounding box


def object_points(instance: Any, name: str) -> Points:
    """Return points of an object or fixture of LIBERO's problem instance, ``[N, 3]`` meters, world."""
    model, data = instance.sim.model._model, instance.sim.data._data
    bodies = subtree(model, instance.obj_body_id[name])
    geoms = [
        geom
        for geom in range(model.ngeom)
        if model.geom_bodyid[geom] in bodies and model.geom_group[geom] == _COLLISION_GROUP
    ]
    return np.concatenate(
        [_local_points(model, geom) @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom] for geom in geoms]
    )


def obstacle_points(instance: Any, ignored: tuple[str, ...]) -> Points:
    """Return points of every object and fixture with a body that is not in `ignored`; may be ``[0, 3]``."""
    fixtures = [name for name in instance.fixtures_dict if name in instance.obj_body_id]
    names = [name for name in [*instance.objects_dict, *fixtures] if name not in ignored]
    return np.concatenate([np.zeros((0, 3)), *(object_points(instance, name) for name in names)])


def subtree(model: mujoco.MjModel, body: int) -> set[int]:
    """Return the ids of a body and its descendants."""
    bodies = {body}
    for candidate in range(body + 1, model.nbody):  # MuJoCo numbers parents before children
        if model.body_parentid[candidate] in bodies:
            bodies.add(candidate)
    return bodies


def _local_points(model: mujoco.MjModel, geom: int) -> Points:
    """Return a mesh's vertices, or a grid over a primitive's bounding box, in the geom's own frame."""
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        start = model.mesh_vertadr[mesh]
        return np.array(model.mesh_vert[start : start + model.mesh_vertnum[mesh]], np.float64)
    return _GRID * _half_extent(int(model.geom_type[geom]), np.array(model.geom_size[geom]))


def _half_extent(geom_type: int, size: Points) -> Points:
    """Return half the bounding box of a primitive of MuJoCo's `size`, ``[3]`` meters."""
    if geom_type == mujoco.mjtGeom.mjGEOM_SPHERE:
        return np.full(3, size[0])
    if geom_type == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return np.array([size[0], size[0], size[1]])
    if geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.array([size[0], size[0], size[1] + size[0]])
    return size
