from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from vla_rl_bench.analysis.plots.film import CAPTION, MARGIN, MAX_BYTES, PANEL, write_film, write_side_by_side
from vla_rl_bench.types import ImageArray

CAPTIONS = ("SFT: failure, step 5", "SFT + RL: success, step 2")


def episode(steps: int, size: int = 48) -> list[ImageArray]:
    """A red square that moves right by four pixels a step."""
    frames = np.full((steps + 1, size, size, 3), 128, np.uint8)
    for step in range(steps + 1):
        frames[step, 20:28, 4 * step : 4 * step + 8] = (220, 30, 30)
    return list(frames)


def pictures(path: Path) -> list[np.ndarray]:
    with Image.open(path) as film:
        return [np.asarray(frame.convert("RGB"), np.int64) for frame in ImageSequence.Iterator(film)]


def left_edge(picture: np.ndarray, side: int) -> float:
    """Where the square begins in an episode's panel, in pixels of its frames."""
    left = MARGIN + side * (PANEL + MARGIN)
    panel = picture[CAPTION : CAPTION + PANEL, left : left + PANEL]
    red = (panel[..., 0] > 180) & (panel[..., 1] < 90)
    return float(np.flatnonzero(red.any(axis=0))[0]) * 48 / PANEL


def test_both_episodes_play_and_the_shorter_one_freezes_at_its_end(tmp_path: Path) -> None:
    shown = pictures(write_side_by_side(episode(5), episode(2), tmp_path / "film.gif", CAPTIONS))
    assert len(shown) == 6
    assert [round(left_edge(picture, 0)) for picture in shown] == [0, 4, 8, 12, 16, 20]
    assert [round(left_edge(picture, 1)) for picture in shown] == [0, 4, 8, 8, 8, 8]


def test_one_episode_is_the_left_half_of_two(tmp_path: Path) -> None:
    alone = pictures(write_film(episode(5), tmp_path / "one.gif", CAPTIONS[0]))
    beside = pictures(write_side_by_side(episode(5), episode(5), tmp_path / "two.gif", (CAPTIONS[0], CAPTIONS[0])))
    width = PANEL + 2 * MARGIN
    assert alone[0].shape[1] == width
    assert len(alone) == len(beside) == 6
    assert all((one == two[:, :width]).all() for one, two in zip(alone, beside, strict=True))


def test_captions_stand_above_and_differ(tmp_path: Path) -> None:
    first = pictures(write_side_by_side(episode(1), episode(1), tmp_path / "film.gif", CAPTIONS))[0]
    band = first[: CAPTION - 2].min(axis=2) < 128
    left, right = band[:, MARGIN : MARGIN + PANEL], band[:, 2 * MARGIN + PANEL : 2 * MARGIN + 2 * PANEL]
    assert left.any()
    assert right.any()
    assert (left != right).any()


def test_the_last_picture_is_held(tmp_path: Path) -> None:
    path = write_side_by_side(episode(3), episode(3), tmp_path / "film.gif", CAPTIONS, fps=10)
    with Image.open(path) as film:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert durations == [100, 100, 100, 2000]


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_side_by_side(episode(3), episode(2), tmp_path / "a.gif", CAPTIONS).read_bytes()
    assert write_side_by_side(episode(3), episode(2), tmp_path / "b.gif", CAPTIONS).read_bytes() == first


def test_a_single_frame_and_oblong_frames_are_shown(tmp_path: Path) -> None:
    still, wide = [np.zeros((30, 60, 3), np.uint8)], [np.zeros((60, 30, 3), np.uint8)] * 2
    assert len(pictures(write_side_by_side(still, still, tmp_path / "still.gif", CAPTIONS))) == 1
    assert write_side_by_side(still, wide, tmp_path / "oblong.gif", CAPTIONS).exists()


def test_an_episode_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a frame"):
        write_side_by_side([], episode(1), tmp_path / "film.gif", CAPTIONS)


@pytest.mark.slow
def test_a_long_and_busy_film_still_fits_into_a_megabyte(tmp_path: Path) -> None:
    """Textured frames that drift, as a camera's do: about 10 MB at full quality."""
    texture = np.random.default_rng(0).integers(60, 200, (64, 64, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(texture).resize((512, 512), Image.Resampling.BICUBIC))
    frames = [smooth[step : step + 256, step : step + 256] for step in range(200)]
    path = write_side_by_side(frames, frames[:120], tmp_path / "film.gif", CAPTIONS)
    assert path.stat().st_size <= MAX_BYTES
    assert len(pictures(path)) > 20
