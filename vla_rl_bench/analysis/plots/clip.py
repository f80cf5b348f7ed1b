"""One episode as a small animated WebP."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.plots.film import HOLD_SECONDS, PROGRESS, TRACK, resized
from vla_rl_bench.files import write_bytes
from vla_rl_bench.types import ImageArray

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 192  # pixels
BAR = 3  # pixels: below the picture, grows with the steps
MAX_BYTES = 300_000
QUALITIES = (  # every how many-th frame, side, quality in percent: the first that fits is taken, else the last
    (1, SIDE, 80),
    (1, SIDE, 60),
    (2, SIDE, 60),
    (4, SIDE, 50),
    (4, SIDE * 3 // 4, 40),
    (8, SIDE // 2, 30),
)


def write_clip(frames: Sequence[ImageArray], path: Path, fps: float = 8.0) -> Path:
    """frames: uint8 ``[H, W, 3]``, one a step, all of one size.  It is held at its end, and starts again.

    Long films skip frames and large ones are compressed harder, until one is below `MAX_BYTES`.
    """
    if not frames:
        raise ValueError("an episode without a frame cannot be shown")
    data = b""
    for stride, side, quality in QUALITIES:
        data = _webp(frames, fps, stride, side, quality)
        if len(data) <= MAX_BYTES:
            break
    write_bytes(path, data)
    return path


def last_picture(clip: Path) -> bytes:
    """The last picture of a film, WebP or GIF, as a WebP that stands still."""
    from PIL import Image

    with Image.open(clip) as film:
        film.seek(getattr(film, "n_frames", 1) - 1)
        buffer = io.BytesIO()
        film.convert("RGB").save(buffer, format="WEBP", quality=60)
    return buffer.getvalue()


def _webp(frames: Sequence[ImageArray], fps: float, stride: int, side: int, quality: int) -> bytes:
    last = len(frames) - 1
    steps = [*range(0, last, stride), last]
    pictures = [_picture(frames[step], step / last if last else 1.0, side) for step in steps]
    durations = [round(1000 * stride / fps)] * (len(steps) - 1) + [round(1000 * HOLD_SECONDS)]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        quality=quality,
        method=4,
    )
    return buffer.getvalue()


def _picture(frame: ImageArray, done: float, side: int) -> Image:
    """The frame above a bar.  done: the part of the episode that is over, 0 to 1."""
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (side, side + BAR), TRACK)
    canvas.paste(resized(frame, side), (0, 0))
    if done:
        ImageDraw.Draw(canvas).rectangle((0, side, round((side - 1) * done), side + BAR), PROGRESS)
    return canvas
