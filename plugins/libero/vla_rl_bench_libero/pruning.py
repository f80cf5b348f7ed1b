"""Exact rendering without the triangles that touch no pixel: the same images for less than half of the work.

Before an image is rendered, each mesh that has moved is uploaded again with only the triangles that may be visible
(`triangle_coverage`).  Most objects of a scene do not move.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from vla_rl_bench_libero.camera import View, mirrors, near_plane, views
from vla_rl_bench_libero.triangle_coverage import ROUNDING, mark, project

Floats = NDArray[np.float64]

MOTION = 1 / 512  # pixels that a mesh may move before it is pruned again; part of the margin
_MIN_FACES = 400  # triangles: a mesh with no more is not pruned
_FACES = ("mesh_face", "mesh_facenormal", "mesh_facetexcoord")


class Mesh:
    """A mesh as uploaded to its render context: whole, or pruned for the latest poses of its geoms."""

    def __init__(self, model: mujoco.MjModel, mesh: int, geoms: Sequence[int]) -> None:
        self._model, self._mesh, self._geoms = model, mesh, list(geoms)
        self._first, self._count = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
        whole = slice(self._first, self._first + self._count)
        self._faces = {name: getattr(model, name)[whole].copy() for name in _FACES}
        self._vertices, self._corners = _merged(model, mesh, self._faces["mesh_face"])
        self._radius = float(np.linalg.norm(self._vertices, axis=1).max())
        self._points = np.zeros((len(self._vertices), 3))
        self._uploaded = np.ones(self._count, bool)
        self._poses, self._reach = np.full((len(self._geoms), 12), np.inf), 0.0

    def invalidate(self) -> None:
        """Prune again at the next image: the view has changed."""
        self._poses[:] = np.inf

    def prune(self, data: mujoco.MjData, views: Sequence[View], size: int, samples: Floats, context: Any) -> None:
        """Upload the triangles that may be visible in an image of `size` pixels, if they may have changed."""
        poses = np.concatenate([data.geom_xpos[self._geoms], data.geom_xmat[self._geoms]], axis=1)
        if self._at_rest(poses):
            return
        kept = np.zeros(self._count, bool)
        self._poses, self._reach = poses, np.inf
        for pose in poses:
            for view in views:
                self._reach = min(self._reach, self._mark(pose, view, size, samples, kept))
        if not np.array_equal(kept, self._uploaded):
            self._upload(np.flatnonzero(kept), context)
            self._uploaded = kept

    def _at_rest(self, poses: Floats) -> bool:
        """Check that no vertex has moved by `MOTION` pixels."""
        motion = poses - self._poses
        distance = np.linalg.norm(motion[:, :3], axis=1) + np.linalg.norm(motion[:, 3:], axis=1) * self._radius
        return bool(distance.max() < self._reach)

    def _mark(self, pose: Floats, view: View, size: int, samples: Floats, kept: NDArray[np.bool_]) -> float:
        """Mark the triangles that a view may show; return the meters that a vertex may move within `MOTION` pixels.

        A mesh that is clipped anywhere stays whole: llvmpipe culls with different arithmetic in a batch with a clipped
        vertex (draw_pipe_cull.c before the snap, lp_setup_tri.c after it), and pruning changes the batches.
        """
        rotation, shift = view.axes @ pose[3:].reshape(3, 3), view.axes @ pose[:3] + view.origin
        nearest, widest, *bounds = project(self._vertices, rotation, shift, view.focal, size, self._points)
        near, margin = near_plane(self._model), ROUNDING + MOTION
        if nearest < 4 * near:
            kept[:] = True
            return 0.0
        left, low, right, high = bounds
        window = view.window
        if right > window[0] - 1 and left < window[2] + 1 and high > window[1] - 1 and low < window[3] + 1:
            if min(left, low) < 1 or max(right, high) > size - 1 or self._behind(pose, view):
                kept[:] = True
            else:
                mark(self._points, self._corners, window, samples, margin, not view.mirrored, kept)
        return float(MOTION * nearest / (2 * view.focal * (1 + widest)))

    def _behind(self, pose: Floats, view: View) -> bool:
        """Check if part of the mesh is behind the mirror, where MuJoCo clips it."""
        if view.mirror is None:
            return False
        normal, height = view.mirror
        return bool((self._vertices @ (pose[3:].reshape(3, 3).T @ normal)).min() + pose[:3] @ normal < height + 1e-4)

    def _upload(self, kept: NDArray[np.intp], context: Any) -> None:
        """Upload the pruned mesh: MuJoCo uploads from the model, which holds the pruned faces during the call."""
        model, mesh = self._model, self._mesh
        hull, rows = model.mesh_graphadr[mesh], slice(self._first, self._first + len(kept))
        try:
            for name, faces in self._faces.items():
                getattr(model, name)[rows] = faces[kept]
            model.mesh_facenum[mesh], model.mesh_graphadr[mesh] = len(kept), -1  # no image shows convex hulls
            mujoco.mjr_uploadMesh(model, context.con, mesh)
        finally:
            model.mesh_facenum[mesh], model.mesh_graphadr[mesh] = self._count, hull
            for name, faces in self._faces.items():
                getattr(model, name)[rows] = faces[: len(kept)]


class Pruner:
    """Keeps a render context's meshes pruned for a fixed camera."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, context: Any, camera: int) -> None:
        """Prepare the visible meshes of robosuite's render context, which must be current."""
        self._model, self._data, self._context, self._camera = model, data, context, camera
        visible = np.flatnonzero(context.vopt.geomgroup[model.geom_group])
        self._mirrors, self._samples = mirrors(model, visible), sample_positions()
        geoms_by_mesh: dict[int, list[int]] = defaultdict(list)
        for geom in visible:
            if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH.value:
                geoms_by_mesh[int(model.geom_dataid[geom])].append(int(geom))
        self._meshes = [
            Mesh(model, mesh, geoms) for mesh, geoms in geoms_by_mesh.items() if model.mesh_facenum[mesh] > _MIN_FACES
        ]
        self._view_key: bytes | None = None

    def prepare(self, size: int) -> None:
        """Prune for an image of `size` x `size` pixels of the current scene; the context must be current."""
        camera_views = views(self._model, self._data, self._camera, size, self._mirrors)
        if self._view_key != (
            key := b"".join(part.tobytes() for view in camera_views for part in (view.axes, view.origin, view.window))
        ):
            self._view_key = key
            for mesh in self._meshes:
                mesh.invalidate()
        for mesh in self._meshes:
            mesh.prune(self._data, camera_views, size, self._samples, self._context)


def can_prune(model: mujoco.MjModel) -> bool:
    """Check that pruning is exact: llvmpipe renders, whose rounding is known, and no light casts shadows.

    A render context must be current.
    """
    from OpenGL import GL  # reads its platform from the environment at import

    renderer = GL.glGetString(GL.GL_RENDERER) or b""
    return b"llvmpipe" in renderer and not model.light_castshadow.any()


def sample_positions() -> Floats:
    """Return the sample positions of a pixel of the current frame buffer, from its lower left corner, ``[S, 2]``."""
    from OpenGL import GL

    count = int(GL.glGetIntegerv(GL.GL_SAMPLES))
    if count == 0:
        return np.array([[0.5, 0.5]])
    return np.array([GL.glGetMultisamplefv(GL.GL_SAMPLE_POSITION, index) for index in range(count)], np.float64)


def _merged(
    model: mujoco.MjModel, mesh: int, faces: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return a mesh's distinct vertices ``[V, 3]`` and its faces as indices of them ``[F, 3]``."""
    start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = np.ascontiguousarray(model.mesh_vert[start : start + count])
    _, first, inverse = np.unique(vertices.view("V12").ravel(), return_index=True, return_inverse=True)
    return vertices[first], np.ascontiguousarray(inverse.astype(np.int32)[faces])
