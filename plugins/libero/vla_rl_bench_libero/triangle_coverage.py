"""Selection of the triangles of a mesh that can touch an image.  Conservative: omitting the rest changes no pixel.

LIBERO's meshes are so fine that most triangles face away, are outside the image or are between the points at which
OpenGL samples it.  llvmpipe rejects them one by one after shading their vertices; this selection takes nanoseconds.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Pixels by which a corner may be off from `project`: llvmpipe snaps to a grid of 1/256 (lp_setup_tri.c, FIXED_ORDER),
# that is 1/512, and float32 matrices add up to 0.0005 at 256 pixels.
ROUNDING = 1 / 256
_LARGE = 3.0  # pixels; a triangle that spans more is kept without further tests


@numba.njit(cache=True)
def project(
    vertices: NDArray[np.float32], rotation: Floats, shift: Floats, focal: float, size: int, out: Floats
) -> tuple[float, float, float, float, float, float]:
    """Project vertices ``[V, 3]``, meters, into `out` ``[V, 3]``.

    out: x, y (pixels from the lower left corner), depth (meters).  rotation, shift: to the camera's frame (right, up,
    forward).

    Returns:
        The smallest depth, the largest tangent of an angle off the optical axis, and the bounds: left, bottom, right,
        top.
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
    """Set `kept` ``[F]`` for each triangle of `corners` ``[F, 3]`` that may touch a sample; never clear it.

    Args:
        points: From `project`, all in front of the camera.
        corners: Indices of points.
        window: Left, bottom, right, top of the visible part of the image, pixels.
        samples: Sample positions of a pixel from its lower left corner, ``[S, 2]``.
        margin: Pixels by which a corner may be off.
        culled: OpenGL omits triangles that face away.
        kept: Written.
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
