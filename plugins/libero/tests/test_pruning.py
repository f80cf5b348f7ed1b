"""Tests that pruned meshes give the same pixels."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from vla_rl_bench_libero.opengl import choose_backend
from vla_rl_bench_libero.options import LiberoOptions

pytestmark = pytest.mark.sim

SAMPLES = np.array([[0.375, 0.125], [0.875, 0.375], [0.125, 0.625], [0.625, 0.875]])  # llvmpipe's four
WINDOW = np.array([0.0, 0.0, 8.0, 8.0])


def kept(triangle: list[tuple[float, float]], culled: bool = True) -> bool:
    from vla_rl_bench_libero.triangle_coverage import ROUNDING, mark

    mask = np.zeros(1, bool)
    points = np.array([(x, y, 1.0) for x, y in triangle])
    mark(points, np.array([[0, 1, 2]], np.int32), WINDOW, SAMPLES, ROUNDING, culled, mask)
    return bool(mask[0])


def test_mark_keeps_triangles_that_may_touch_a_sample() -> None:
    around_a_sample = [(3.3, 3.0), (3.5, 3.0), (3.4, 3.3)]
    assert kept(around_a_sample)
    assert not kept(around_a_sample[::-1])  # faces away
    assert kept(around_a_sample[::-1], culled=False)
    assert not kept([(3.5, 3.4), (3.7, 3.4), (3.6, 3.5)])  # between samples
    assert not kept([(9.3, 3.0), (9.5, 3.0), (9.4, 3.3)])  # outside
    assert kept([(0.0, 0.0), (7.0, 0.0), (0.0, 7.0)])
    sliver = [(3.37, 3.12), (3.38, 3.12), (3.375, 3.126)]  # smaller than the rounding, near a sample
    assert kept(sliver)


def test_mark_keeps_random_triangles_that_cover_a_sample() -> None:
    rng = np.random.default_rng(0)
    grid = (np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1)[:, :, None] + SAMPLES).reshape(-1, 2)
    covering = 0
    for _ in range(2000):
        a, b, c = rng.uniform(1, 7, 2) + rng.normal(0, 0.4, (3, 2))
        edges = [(q - p)[0] * (grid - p)[:, 1] - (grid - p)[:, 0] * (q - p)[1] for p, q in ((a, b), (b, c), (c, a))]
        if (np.min(edges, axis=0) > 0).any():
            covering += 1
            assert kept([tuple(a), tuple(b), tuple(c)])
    assert covering > 300


class PrunedAndWhole:
    """A simulator with pruning, and a second render context with whole meshes."""

    def __init__(self, suite: str, task: int) -> None:
        import mujoco

        from vla_rl_bench_libero.environment import tuned_simulator

        self.simulator: Any = tuned_simulator(suite, task, LiberoOptions())
        self._context, self.pruner = self.simulator._context, self.simulator._pruner
        self._context.gl_ctx.make_current()
        from OpenGL import GL

        if b"llvmpipe" not in GL.glGetString(GL.GL_RENDERER):
            del self._context
            self.simulator.close()
            pytest.skip("this OpenGL is not llvmpipe: nothing is pruned")
        assert self.pruner is not None, "nothing is pruned on llvmpipe"
        self._ours = self._context.con
        self._whole = mujoco.MjrContext(self.simulator._model, mujoco.mjtFontScale.mjFONTSCALE_150.value)

    def compare(self, turns: int) -> None:
        """Compare images of random motions at two sizes bit for bit."""
        rng = np.random.default_rng(0)
        self.simulator.reset(41, 10)
        for turn in range(turns):
            for action in rng.uniform(-1, 1, (4, 7)):
                self.simulator.step(action, render=False)
            size = (64, 256)[turn % 2]
            np.testing.assert_array_equal(
                self._image(self._ours, self.pruner, size), self._image(self._whole, None, size)
            )

    def _image(self, drawing: Any, pruner: Any, size: int) -> np.ndarray:
        import mujoco

        self._context.con, self.simulator._pruner = drawing, pruner
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, drawing)
        try:
            return np.array(self.simulator._render(size))
        finally:
            self._context.con, self.simulator._pruner = self._ours, self.pruner

    def close(self) -> None:
        self._context.gl_ctx.make_current()
        self._whole.free()
        del self._context, self.pruner, self._ours
        self.simulator.close()


@pytest.mark.slow
@pytest.mark.parametrize(("suite", "task"), [("libero_object", 0), ("libero_goal", 0)])  # the second has a mirror
def test_pruned_images_equal_those_of_whole_meshes(suite: str, task: int) -> None:
    choose_backend()
    both = PrunedAndWhole(suite, task)
    model = both.simulator._model
    meshes = {name: getattr(model, name).copy() for name in ("mesh_face", "mesh_facenum", "mesh_graphadr")}
    both.compare(8)
    assert sum(mesh._uploaded.sum() for mesh in both.pruner._meshes) < 0.6 * sum(
        mesh._count for mesh in both.pruner._meshes
    )
    for name, array in meshes.items():
        assert np.array_equal(getattr(model, name), array), name
    both.close()


@pytest.mark.slow
def test_closed_simulator_does_not_delete_meshes_of_the_next() -> None:
    """Render contexts use the same mesh numbers: freeing one while another is current would delete meshes there."""
    choose_backend()
    first = PrunedAndWhole("libero_object", 0)
    first.compare(1)
    first.close()
    second = PrunedAndWhole("libero_object", 3)
    del first
    gc.collect()
    second.compare(2)
    second.close()
