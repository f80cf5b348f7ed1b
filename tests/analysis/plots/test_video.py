from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from vla_rl_bench.analysis.plots.video import (
    CAPTION,
    CLIP_BAR,
    CLIP_MAX_BYTES,
    CLIP_SIDE,
    MARGIN,
    MAX_BYTES,
    PANEL,
    write_clip,
    write_film,
    write_side_by_side,
)
from vla_rl_bench.types import ImageArray

CAPTIONS = ("SFT: failure, step 5", "SFT + RL: success, step 2")


def episode(steps: int, size: int = 48) -> list[ImageArray]:
    """A red square that moves right by four pixels a step."""
    frames = np.full((steps + 1, size, size, 3), 128, np.uint8)
    for step in range(steps + 1):
        frames[step, 20:28, 4 * step : 4 * step + 8] = (220, 30, 30)
    return list(frames)


def decode(path: Path) -> list[np.ndarray]:
    with Image.open(path) as film:
        return [np.asarray(frame.convert("RGB"), np.int64) for frame in ImageSequence.Iterator(film)]


def left_edge(picture: np.ndarray, side: int) -> float:
    """Left edge of the square in an episode's panel, in pixels of its frames."""
    left = MARGIN + side * (PANEL + MARGIN)
    panel = picture[CAPTION : CAPTION + PANEL, left : left + PANEL]
    red = (panel[..., 0] > 180) & (panel[..., 1] < 90)
    return float(np.flatnonzero(red.any(axis=0))[0]) * 48 / PANEL


def test_write_side_by_side_freezes_the_shorter_episode_at_its_end(tmp_path: Path) -> None:
    pictures = decode(write_side_by_side(episode(5), episode(2), tmp_path / "film.gif", CAPTIONS))
    assert len(pictures) == 6
    assert [round(left_edge(picture, 0)) for picture in pictures] == [0, 4, 8, 12, 16, 20]
    assert [round(left_edge(picture, 1)) for picture in pictures] == [0, 4, 8, 8, 8, 8]


def test_write_film_equals_the_left_half_of_two_equal_episodes(tmp_path: Path) -> None:
    single = decode(write_film(episode(5), tmp_path / "single.gif", CAPTIONS[0]))
    pair = decode(write_side_by_side(episode(5), episode(5), tmp_path / "two.gif", (CAPTIONS[0], CAPTIONS[0])))
    width = PANEL + 2 * MARGIN
    assert single[0].shape[1] == width
    assert len(single) == len(pair) == 6
    assert all((left == both[:, :width]).all() for left, both in zip(single, pair, strict=True))


def test_write_side_by_side_draws_captions_above(tmp_path: Path) -> None:
    picture = decode(write_side_by_side(episode(1), episode(1), tmp_path / "film.gif", CAPTIONS))[0]
    band = picture[: CAPTION - 2].min(axis=2) < 128
    left, right = band[:, MARGIN : MARGIN + PANEL], band[:, 2 * MARGIN + PANEL : 2 * MARGIN + 2 * PANEL]
    assert left.any()
    assert right.any()
    assert (left != right).any()


def test_write_side_by_side_holds_the_last_picture(tmp_path: Path) -> None:
    path = write_side_by_side(episode(3), episode(3), tmp_path / "film.gif", CAPTIONS, fps=10)
    with Image.open(path) as film:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert durations == [100, 100, 100, 2000]


def test_write_side_by_side_is_deterministic(tmp_path: Path) -> None:
    first = write_side_by_side(episode(3), episode(2), tmp_path / "a.gif", CAPTIONS).read_bytes()
    assert write_side_by_side(episode(3), episode(2), tmp_path / "b.gif", CAPTIONS).read_bytes() == first


def test_write_side_by_side_accepts_single_and_oblong_frames(tmp_path: Path) -> None:
    still, wide = [np.zeros((30, 60, 3), np.uint8)], [np.zeros((60, 30, 3), np.uint8)] * 2
    assert len(decode(write_side_by_side(still, still, tmp_path / "still.gif", CAPTIONS))) == 1
    assert write_side_by_side(still, wide, tmp_path / "oblong.gif", CAPTIONS).exists()


def test_write_side_by_side_rejects_an_episode_without_frames(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a frame"):
        write_side_by_side([], episode(1), tmp_path / "film.gif", CAPTIONS)


def test_write_clip_plays_all_frames_and_grows_its_bar(tmp_path: Path) -> None:
    pictures = decode(write_clip(episode(4), tmp_path / "clip.webp"))
    assert [picture.shape for picture in pictures] == [(CLIP_SIDE + CLIP_BAR, CLIP_SIDE, 3)] * 5
    blue = [int((picture[-2, :, 0] < 100).sum()) for picture in pictures]
    assert blue == pytest.approx([0, CLIP_SIDE / 4, CLIP_SIDE / 2, 3 * CLIP_SIDE / 4, CLIP_SIDE], abs=6)


def test_write_clip_skips_frames_until_small_enough(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (60, 192, 192, 3), np.uint8))
    path = write_clip(noise, tmp_path / "clip.webp")
    assert path.stat().st_size <= CLIP_MAX_BYTES
    assert len(decode(path)) < len(noise)


@pytest.mark.slow
def test_write_side_by_side_keeps_long_films_under_a_megabyte(tmp_path: Path) -> None:
    """Textured frames that drift, as a camera's do: about 10 MB at full quality."""
    texture = np.random.default_rng(0).integers(60, 200, (64, 64, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(texture).resize((512, 512), Image.Resampling.BICUBIC))
    frames = [smooth[step : step + 256, step : step + 256] for step in range(200)]
    path = write_side_by_side(frames, frames[:120], tmp_path / "film.gif", CAPTIONS)
    assert path.stat().st_size <= MAX_BYTES
    assert len(decode(path)) > 20
