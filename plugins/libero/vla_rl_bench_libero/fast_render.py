"""Fast rendering: no multisampling, decimated meshes.  Pixels differ; the physics model does not change.

LIBERO's scenes are vertex-bound (308k visible triangles): fewer triangles make a render cheap.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from vla_rl_bench_libero import libero_api
from vla_rl_bench_libero.simulator import FILM_SIZE

FACES = 600  # a mesh with more triangles is clustered to about this number


@contextlib.contextmanager
def fast_rendering(image_size: int) -> Iterator[None]:
    """Make the render contexts that are built inside fast, for images of up to `image_size` pixels."""
    context_class = libero_api.render_context_class()
    original = context_class._set_mujoco_context_and_buffers

    def build(context: Any) -> None:
        context.con = mujoco.MjrContext(
            render_copy(context.model._model, image_size), mujoco.mjtFontScale.mjFONTSCALE_150.value
        )
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context.con)

    context_class._set_mujoco_context_and_buffers = build
    try:
        yield
    finally:
        context_class._set_mujoco_context_and_buffers = original


def render_copy(model: mujoco.MjModel, image_size: int) -> mujoco.MjModel:
    """Copy a model for upload: few triangles, one sample a pixel, a buffer for an image or a film's frame."""
    copied = copy.copy(model)
    for mesh in range(copied.nmesh):
        if copied.mesh_facenum[mesh] > FACES:
            _decimate(copied, mesh)
    copied.vis.quality.offsamples = 0
    copied.vis.global_.offwidth = copied.vis.global_.offheight = max(image_size, FILM_SIZE)
    return copied


def _decimate(model: mujoco.MjModel, mesh: int) -> None:
    """Cluster the vertices of a mesh on a grid, in place; vertex numbers, and so normals and textures, stay valid."""
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    vertices = _vertices(model, mesh)
    faces = model.mesh_face[first : first + count].copy()
    representative = _cluster(vertices, int(np.sqrt(FACES / 2)))
    kept = _distinct_faces(representative[faces])
    vertices[:] = vertices[representative]
    model.mesh_face[first : first + len(kept)] = faces[kept]
    model.mesh_facenormal[first : first + len(kept)] = model.mesh_facenormal[first + kept]
    model.mesh_facetexcoord[first : first + len(kept)] = model.mesh_facetexcoord[first + kept]
    model.mesh_facenum[mesh] = len(kept)


def _vertices(model: mujoco.MjModel, mesh: int) -> NDArray[np.float32]:
    start = model.mesh_vertadr[mesh]
    vertices: NDArray[np.float32] = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
    return vertices


def _cluster(vertices: NDArray[np.float32], cells: int) -> NDArray[np.int64]:
    """Return, for each vertex of ``[V, 3]``, the first in its grid cell; the longest side has `cells` of them."""
    low, high = vertices.min(0), vertices.max(0)
    cell = np.floor((vertices - low) / ((high - low).max() / cells)).astype(np.int64)
    _, first, inverse = np.unique(cell @ np.array([10**8, 10**4, 1]), return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _distinct_faces(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of faces ``[F, 3]`` (as representatives) with an area, without duplicates, in order."""
    a, b, c = faces.T
    solid = np.flatnonzero((a != b) & (b != c) & (a != c))
    _, kept = np.unique(np.sort(faces[solid], axis=1), axis=0, return_index=True)
    return solid[np.sort(kept)]
