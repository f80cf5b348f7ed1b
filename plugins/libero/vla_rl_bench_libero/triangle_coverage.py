"""Which triangles of a mesh can touch a picture at all.  Conservative: leaving out the others changes no pixel.

LIBERO's meshes are so fine that most triangles face away, lie outside the picture or slip between the points at which
OpenGL samples it.  llvmpipe finds that out one by one, after shading their vertices; here it takes nanoseconds.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Pixels that a corner may lie off from where it is computed here: llvmpipe snaps to a grid of 1/256 (lp_setup_tri.c,
# FIXED_ORDER), so 1/512, and float32 matrices are good for 0.0005 at 256 pixels.
ROUNDING = 1 / 256
_LARGE = 3.0  # pixels; a triangle that spans more is kept without a closer look


@numba.njit(cache=True)
def project(
    vertices: NDArray[np.float32], rotation: Floats, shift: Floats, focal: float, size: int, out: Floats
) -> tuple[float, float, float, float, float, float]:
    """Vertices ``[V, 3]``, metres -> `out` ``[V, 3]``: x, y (pixels from the lower left corner), depth (metres).

    rotation, shift: to the camera's frame, right, up and forward.  -> the least depth, the greatest tangent of an angle
    off the optical axis, and the bounds: left, bottom, right, top.
    """
    nearest, widest, half = np.inf, 0.0, size / 2
    left, low, right, high = np.inf, np.inf, -np.inf, -np.inf
    for i in range(len(vertices)):
        a, b, c = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        x = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c + shift[0]
        y = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c + shift[1]
        z = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c + shift[2]
        z = z if z != 0.0 else 1e-12
        x, y = x / z, y / z
        nearest, widest = min(nearest, z), max(widest, abs(x), abs(y))
        x, y = half + focal * x, half + focal * y
        left, low, right, high = min(left, x), min(low, y), max(right, x), max(high, y)
        out[i, 0], out[i, 1], out[i, 2] = x, y, z
    return nearest, widest, left, low, right, high


@numba.njit(cache=True)
def mark(
    points: Floats,
    corners: NDArray[np.int32],
    window: Floats,
    samples: Floats,
    margin: float,
    culled: bool,
    kept: NDArray[np.bool_],
) -> None:
    """Set `kept` ``[F]`` where a triangle of `corners` ``[F, 3]`` may touch a sample; never clear it.

    points: as `project` leaves them, all before the camera.  window: left, bottom, right, top, pixels: the part of the
    picture that matters.  samples: where a pixel is sampled, from its lower left corner, ``[S, 2]``.
    margin: pixels by which a corner may be off.  culled: OpenGL leaves out triangles that face away.
    """
    for face in range(len(corners)):
        if kept[face]:
            continue
        i, j, k = corners[face, 0], corners[face, 1], corners[face, 2]
        ax, ay, bx, by, cx, cy = points[i, 0], points[i, 1], points[j, 0], points[j, 1], points[k, 0], points[k, 1]
        left, right = min(ax, bx, cx) - margin, max(ax, bx, cx) + margin
        low, high = min(ay, by, cy) - margin, max(ay, by, cy) + margin
        if right < window[0] or left > window[2] or high < window[1] or low > window[3]:
            continue
        span = right - left + high - low
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)  # twice
        if culled and area < -4 * margin * span:
            continue
        if right - left > _LARGE or high - low > _LARGE:
            kept[face] = True
            continue
        turn = -1.0 if area < 0 and not culled else 1.0
        slack = 3 * margin * span  # what `margin` at each corner can do to an edge's equation
        sure = culled or abs(area) > 4 * margin * span
        for column in range(int(np.floor(left)), int(np.floor(right)) + 1):
            for row in range(int(np.floor(low)), int(np.floor(high)) + 1):
                for s in range(len(samples)):
                    x, y = column + samples[s, 0], row + samples[s, 1]
                    if x < left or x > right or y < low or y > high:
                        continue
                    if not sure or (
                        turn * ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) >= -slack
                        and turn * ((cx - bx) * (y - by) - (x - bx) * (cy - by)) >= -slack
                        and turn * ((ax - cx) * (y - cy) - (x - cx) * (ay - cy)) >= -slack
                    ):
                        kept[face] = True
