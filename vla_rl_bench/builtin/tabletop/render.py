"""Images of many tables at once: anti-aliased discs stamped into small windows, far to near."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.builtin.tabletop.scene import (
    OBJECT_RADIUS,
    OBJECTS,
    ZONE_RADIUS,
    ZONES,
    Scenes,
)
from vla_rl_bench.types import FloatArray, ImageArray, IntArray

# Palette indices are those of `suites`: red, green, blue, yellow, basket.  RGB, 0 to 255.
PALETTE = np.array(
    [(215, 35, 35), (30, 150, 50), (40, 70, 215), (235, 205, 30), (240, 240, 240)],
    np.float32,
)
TABLE = np.array((140, 140, 140), np.float32)
GRIPPER = np.array((10, 10, 10), np.float32)
GRIPPER_RADIUS = 0.04
_PAD = 0.6  # a zone is painted this much towards the table's grey, so that a block on it stays visible
_SHADOW = np.array((0.012, -0.016), np.float32)  # from a thing to its shadow in films
_MARGIN = 0.2  # table widths around the image, so that a disc at the border needs no special case


def render(scenes: Scenes, size: int) -> ImageArray:
    """Render from above: uint8 RGB ``[N, size, size, 3]``, top row first (y = 1)."""
    canvas = _Canvas(len(scenes), size)
    softened = PALETTE + (TABLE - PALETTE) * np.array([_PAD] * 4 + [0.0], np.float32)[:, None]
    for zone in range(ZONES):
        canvas.disc(scenes.zones[:, zone], ZONE_RADIUS, softened[scenes.zone_colors[:, zone]])
    for item in range(OBJECTS):
        canvas.disc(
            scenes.objects[:, item],
            OBJECT_RADIUS,
            PALETTE[scenes.object_colors[:, item]],
        )
    open_width = 1.2 * max(1.0, size / 96)  # pixels
    width = np.where(scenes.closed, np.inf, open_width).astype(np.float32)
    canvas.disc(
        scenes.gripper,
        GRIPPER_RADIUS,
        np.broadcast_to(GRIPPER, (len(scenes), 3)),
        width,
    )
    return canvas.image()


def film(scenes: Scenes, size: int) -> ImageArray:
    """The same tables for people: uint8 ``[N, size, size, 3]`` with shadows, rims and lit blocks; no policy sees it."""
    canvas = _Canvas(len(scenes), size)
    rim = np.full(len(scenes), max(1.5, size / 80), np.float32)
    for zone in range(ZONES):
        colors = PALETTE[scenes.zone_colors[:, zone]]
        canvas.disc(scenes.zones[:, zone], ZONE_RADIUS, 0.45 * colors + 0.55 * TABLE)
        canvas.disc(scenes.zones[:, zone], ZONE_RADIUS, colors, rim)
    for item in range(OBJECTS):
        colors = PALETTE[scenes.object_colors[:, item]]
        canvas.disc(scenes.objects[:, item] + _SHADOW, OBJECT_RADIUS, np.broadcast_to(0.6 * TABLE, colors.shape))
        canvas.disc(scenes.objects[:, item], OBJECT_RADIUS, 0.7 * colors)
        canvas.disc(scenes.objects[:, item], 0.8 * OBJECT_RADIUS, colors)
        canvas.disc(scenes.objects[:, item] - 0.7 * _SHADOW, 0.3 * OBJECT_RADIUS, 0.6 * colors + 0.4 * 255)
    hand = np.broadcast_to(GRIPPER, (len(scenes), 3))
    canvas.disc(scenes.gripper, GRIPPER_RADIUS, hand, np.where(scenes.closed, np.inf, 2 * rim).astype(np.float32))
    return canvas.image()


class _Canvas:
    """float32 ``[N, size + margins, size + margins, 3]``."""

    def __init__(self, rows: int, size: int) -> None:
        self.size, self.margin = size, math.ceil(_MARGIN * size)
        side = size + 2 * self.margin
        self.pixels = np.empty((rows, side, side, 3), np.float32)
        self.pixels[...] = TABLE

    def image(self) -> ImageArray:
        inner = slice(self.margin, self.margin + self.size)
        return self.pixels[:, inner, inner].astype(np.uint8)

    def disc(
        self,
        centers: FloatArray,
        radius: float,
        colors: FloatArray,
        ring: FloatArray | None = None,
    ) -> None:
        """Discs, or rings `ring [N]` pixels wide, at ``centers [N, 2]`` in ``colors [N, 3]``; absent ones are left."""
        rows = np.flatnonzero(centers[:, 0] > -1)
        if not rows.size:
            return
        reach = math.ceil(radius * self.size) + 1
        column, x = self._window(centers[rows, 0], reach)
        row, y = self._window(1 - centers[rows, 1], reach)
        distance = np.sqrt(x[:, None, :] ** 2 + y[:, :, None] ** 2)
        cover = np.clip(radius * self.size + 0.5 - distance, 0, 1)
        if ring is not None:
            cover *= np.clip(distance - (radius * self.size - ring[rows, None, None]) + 0.5, 0, 1)
        where = (rows[:, None, None], row[:, :, None], column[:, None, :])
        under = self.pixels[where]
        self.pixels[where] = under + cover[..., None] * (colors[rows, None, None] - under)

    def _window(self, place: FloatArray, reach: int) -> tuple[IntArray, NDArray[np.float32]]:
        """Canvas indices ``[n, 2*reach+1]`` around a place (0 to 1), and their distance from it in pixels."""
        center = place * np.float32(self.size) - np.float32(0.5)
        pixel = np.rint(center).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
        return pixel + self.margin, (pixel - center[:, None]).astype(np.float32)
