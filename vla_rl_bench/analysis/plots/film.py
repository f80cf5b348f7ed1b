"""Episodes, one or two side by side, as a small animated GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vla_rl_bench.files import write_bytes
from vla_rl_bench.types import ImageArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

PANEL = 256  # pixels: the side of an episode's picture, if the file may be that large
MARGIN = 12
CAPTION = 34
BAR = 4
HOLD_SECONDS = 2.0
BACKGROUND, INK, TRACK, PROGRESS = "#ffffff", "#222222", "#dddddd", "#0b6e99"
MAX_BYTES = 950_000
QUALITIES = (  # every how many-th frame, scale, colours: the first that fits is taken, else the last
    (1, 1.0, 128),
    (1, 1.0, 64),
    (2, 1.0, 64),
    (2, 0.75, 64),
    (4, 0.75, 64),
    (4, 0.5, 64),
    (8, 0.5, 32),
)


def write_side_by_side(
    before: Sequence[ImageArray],
    after: Sequence[ImageArray],
    path: Path,
    captions: tuple[str, str],
    fps: float = 8.0,
) -> Path:
    """Writes a GIF that shows two episodes next to each other, each under its caption -> its path.

    before, after: uint8 ``[H, W, 3]``, a frame a step; all frames of an episode have one size.  The shorter episode
    freezes at its last frame, both are held at the end, and the film starts again.  A long film skips frames, and a
    large one shrinks, until it is under a megabyte.
    """
    return _write((before, after), path, captions, fps)


def write_film(frames: Sequence[ImageArray], path: Path, caption: str, fps: float = 8.0) -> Path:
    """Writes a GIF of one episode under its caption -> its path.  As `write_side_by_side` in all else."""
    return _write((frames,), path, (caption,), fps)


def _write(episodes: Sequence[Sequence[ImageArray]], path: Path, captions: Sequence[str], fps: float) -> Path:
    if not all(episodes):
        raise ValueError("an episode without a frame cannot be shown")
    data = b""
    for stride, scale, colours in QUALITIES:
        data = _gif(episodes, captions, fps, stride, round(PANEL * scale), colours)
        if len(data) <= MAX_BYTES:
            break
    write_bytes(path, data)
    return path


def _gif(
    episodes: Sequence[Sequence[ImageArray]],
    captions: Sequence[str],
    fps: float,
    stride: int,
    panel: int,
    colours: int,
) -> bytes:
    from PIL.Image import Dither

    last = max(map(len, episodes)) - 1
    steps = [*range(0, last, stride), last]
    pictures = [_picture(episodes, captions, step, last, panel) for step in steps]
    palette = _palette(pictures, colours)
    indexed = [picture.quantize(palette=palette, dither=Dither.NONE) for picture in pictures]
    durations = [round(1000 * stride / fps)] * (len(indexed) - 1) + [round(1000 * HOLD_SECONDS)]
    buffer = io.BytesIO()
    indexed[0].save(
        buffer, format="GIF", save_all=True, append_images=indexed[1:], duration=durations, loop=0, disposal=1
    )
    return buffer.getvalue()


def _picture(
    episodes: Sequence[Sequence[ImageArray]],
    captions: Sequence[str],
    step: int,
    last: int,
    panel: int,
) -> Image:
    """One picture of the film: captions above, episodes below, under each a bar that grows with its steps."""
    from PIL import Image, ImageDraw

    unit = panel / PANEL
    margin, caption, bar = (max(1, round(length * unit)) for length in (MARGIN, CAPTION, BAR))
    shown = len(episodes)
    canvas = Image.new("RGB", ((shown + 1) * margin + shown * panel, caption + panel + 2 * margin + bar), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for side, (frames, text) in enumerate(zip(episodes, captions, strict=True)):
        left, reached = margin + side * (panel + margin), min(step, len(frames) - 1)
        draw.text((left, caption / 2), text, INK, font=_font(text, panel), anchor="lm")
        canvas.paste(resized(frames[reached], panel), (left, caption))
        top = caption + panel + margin // 2
        draw.rectangle((left, top, left + panel - 1, top + bar), TRACK)
        if last and reached:
            draw.rectangle((left, top, left + round((panel - 1) * reached / last), top + bar), PROGRESS)
    return canvas


def resized(frame: ImageArray, side: int) -> Image:
    """The frame in a square of `side` pixels; small frames stay crisp."""
    from PIL import Image

    picture = Image.fromarray(frame)
    height, width = frame.shape[:2]
    ratio = side / max(height, width)
    method = Image.Resampling.NEAREST if ratio >= 2 else Image.Resampling.LANCZOS
    scaled = picture.resize((round(width * ratio), round(height * ratio)), method)
    square = Image.new("RGB", (side, side), BACKGROUND)
    square.paste(scaled, ((side - scaled.width) // 2, (side - scaled.height) // 2))
    return square


def _font(text: str, width: int) -> FreeTypeFont:
    """The largest size, up to a fifteenth of the panel, at which the caption fits; a font that knows Greek."""
    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for size in range(max(8, width // 15), 7, -1):
        font = ImageFont.truetype(str(file), size)
        if font.getlength(text) <= width:
            return font
    return ImageFont.truetype(str(file), 8)


def _palette(pictures: Sequence[Image], colours: int) -> Image:
    """One palette for the whole film, so that nothing flickers; from at most 16 of its pictures."""
    from PIL import Image

    chosen = [pictures[index] for index in np.unique(np.linspace(0, len(pictures) - 1, 16).round().astype(int))]
    width, height = chosen[0].size
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for index, picture in enumerate(chosen):
        sheet.paste(picture, (0, index * height))
    return sheet.quantize(colours, method=Image.Quantize.MEDIANCUT)
