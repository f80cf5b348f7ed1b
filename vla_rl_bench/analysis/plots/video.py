"""Episodes as films: a GIF of one or two side by side under captions, or a small WebP of one."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vla_rl_bench.files import write_bytes
from vla_rl_bench.types import ImageArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Frames = Sequence[ImageArray]
"""An episode: uint8 ``[H, W, 3]`` of one size, the start, then one per step."""

PANEL = 256  # pixels: the side of an episode's picture in a GIF, if the file may be that large
MARGIN = 12
CAPTION = 34
BAR = 4
HOLD_SECONDS = 2.0
BACKGROUND, INK, TRACK, PROGRESS = "#ffffff", "#222222", "#dddddd", "#0b6e99"
MAX_BYTES = 950_000
QUALITIES = (  # of a GIF: frames per picture, scale, colors; the first that is small enough is taken, else the last
    (1, 1.0, 128),
    (1, 1.0, 64),
    (2, 1.0, 64),
    (2, 0.75, 64),
    (4, 0.75, 64),
    (4, 0.5, 64),
    (8, 0.5, 32),
)
CLIP_SIDE, CLIP_BAR, CLIP_MAX_BYTES = 192, 3, 300_000
CLIP_QUALITIES = (  # of a WebP: frames per picture, scale, quality in percent
    (1, 1.0, 80),
    (1, 1.0, 60),
    (2, 1.0, 60),
    (4, 1.0, 50),
    (4, 0.75, 40),
    (8, 0.5, 30),
)


def write_side_by_side(before: Frames, after: Frames, path: Path, captions: tuple[str, str], fps: float = 8.0) -> Path:
    """Write a GIF of two episodes next to each other, each under its caption; return its path.

    The shorter episode freezes at its last frame, both are held at the end, and the film starts again.  A long film
    skips frames, and a large one shrinks, until it is under a megabyte.
    """
    return _write_gif((before, after), path, captions, fps)


def write_film(frames: Frames, path: Path, caption: str, fps: float = 8.0) -> Path:
    """Write a GIF of one episode under its caption; return its path."""
    return _write_gif((frames,), path, (caption,), fps)


def write_clip(frames: Frames, path: Path, fps: float = 8.0) -> Path:
    """Write a WebP of one episode without a caption, at most `CLIP_MAX_BYTES` large; return its path."""

    def encode(steps: Sequence[int], scale: float, quality: int) -> bytes:
        side = round(CLIP_SIDE * scale)
        pictures = [_clip_picture(frames[step], step / max(len(frames) - 1, 1), side) for step in steps]
        return _animation(pictures, steps, fps, format="WEBP", quality=quality, method=4)

    return _write((frames,), path, encode, CLIP_QUALITIES, CLIP_MAX_BYTES)


def last_picture(film: Path) -> bytes:
    """Encode the last picture of a film, GIF or WebP, as a still WebP."""
    from PIL import Image

    with Image.open(film) as pictures:
        pictures.seek(getattr(pictures, "n_frames", 1) - 1)
        buffer = io.BytesIO()
        pictures.convert("RGB").save(buffer, format="WEBP", quality=60)
    return buffer.getvalue()


def _write_gif(episodes: Sequence[Frames], path: Path, captions: Sequence[str], fps: float) -> Path:
    def encode(steps: Sequence[int], scale: float, colors: int) -> bytes:
        from PIL.Image import Dither

        pictures = [_gif_picture(episodes, captions, step, steps[-1], round(PANEL * scale)) for step in steps]
        palette = _palette(pictures, colors)
        indexed = [picture.quantize(palette=palette, dither=Dither.NONE) for picture in pictures]
        return _animation(indexed, steps, fps, format="GIF", disposal=1)

    return _write(episodes, path, encode, QUALITIES, MAX_BYTES)


def _write(
    episodes: Sequence[Frames],
    path: Path,
    encode: Callable[[Sequence[int], float, int], bytes],
    qualities: Sequence[tuple[int, float, int]],
    max_bytes: int,
) -> Path:
    """Write the first encoding that is small enough, else the last.

    Args:
        encode: Encodes the film from steps, scale and quality.
    """
    if not all(map(len, episodes)):
        raise ValueError("an episode without a frame cannot be shown")
    last = max(map(len, episodes)) - 1
    film = b""
    for stride, scale, quality in qualities:
        film = encode([*range(0, last, stride), last], scale, quality)
        if len(film) <= max_bytes:
            break
    write_bytes(path, film)
    return path


def _animation(pictures: Sequence[Image], steps: Sequence[int], fps: float, **options: Any) -> bytes:
    """Encode pictures of the given steps, evenly timed; the last one is held."""
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    durations = [round(1000 * stride / fps)] * (len(pictures) - 1) + [round(1000 * HOLD_SECONDS)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    return buffer.getvalue()


def _gif_picture(episodes: Sequence[Frames], captions: Sequence[str], step: int, last: int, panel: int) -> Image:
    """Draw one picture: captions above the episodes, under each a bar that grows with its steps."""
    from PIL import Image, ImageDraw

    unit = panel / PANEL
    margin, caption, bar = (max(1, round(length * unit)) for length in (MARGIN, CAPTION, BAR))
    width = (len(episodes) + 1) * margin + len(episodes) * panel
    canvas = Image.new("RGB", (width, caption + panel + 2 * margin + bar), BACKGROUND)
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


def _clip_picture(frame: ImageArray, progress: float, side: int) -> Image:
    """Draw the frame above a bar.  progress: part of the episode that is over, 0 to 1."""
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (side, side + CLIP_BAR), TRACK)
    canvas.paste(resized(frame, side), (0, 0))
    if progress:
        ImageDraw.Draw(canvas).rectangle((0, side, round((side - 1) * progress), side + CLIP_BAR), PROGRESS)
    return canvas


def resized(frame: ImageArray, side: int) -> Image:
    """Fit the frame into a square of `side` pixels; small frames stay crisp."""
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
    """Load the largest size, up to a fifteenth of the panel, at which the caption fits; the font has Greek letters."""
    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for size in range(max(8, width // 15), 7, -1):
        font = ImageFont.truetype(str(file), size)
        if font.getlength(text) <= width:
            return font
    return ImageFont.truetype(str(file), 8)


def _palette(pictures: Sequence[Image], colors: int) -> Image:
    """Make one palette for the whole film, against flicker; from at most 16 of its pictures."""
    from PIL import Image

    chosen = [pictures[index] for index in np.unique(np.linspace(0, len(pictures) - 1, 16).round().astype(int))]
    width, height = chosen[0].size
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for index, picture in enumerate(chosen):
        sheet.paste(picture, (0, index * height))
    return sheet.quantize(colors, method=Image.Quantize.MEDIANCUT)
