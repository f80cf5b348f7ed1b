"""The image pipeline against TensorFlow's own output (rows of it are kept in tests/data) and against closed forms."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vla_rl_bench_openvla_oft.images import crop_centre, normalize, preprocess, resize_as_training
from vla_rl_bench_openvla_oft.jpeg import round_trip
from vla_rl_bench_openvla_oft.resize import centre_crop, lanczos3

pytestmark = pytest.mark.numeric

COMPARISON = Path(__file__).parent / "tensorflow"


@pytest.fixture(scope="module")
def comparison() -> Iterator[Any]:
    """tests/tensorflow/compare.py, which imports no TensorFlow for what is used here."""
    sys.path.insert(0, str(COMPARISON))
    yield importlib.import_module("compare")
    sys.path.remove(str(COMPARISON))
    for name in ("compare", "inputs"):
        sys.modules.pop(name, None)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_every_stage_equals_tensorflow(comparison: Any) -> None:
    """Not a level apart: JPEG, Lanczos3, centre crop, from end to end; noise, slopes, edges, LIBERO; four sizes."""
    with np.load(comparison.DATA / "tensorflow_rows.npz") as rows:
        assert str(rows["version"]).startswith("2.")
        compared = 0
        for name, image in comparison.inputs().items():
            encoded = round_trip(torch.from_numpy(image)[None])
            ours = {
                "jpeg": encoded,
                "lanczos": resize_as_training(encoded, 224),
                "libero": preprocess(image[None], jpeg=True, size=224),
                "straight": preprocess(image[None], jpeg=False, size=224),
            }
            for stage, out in ours.items():
                theirs = rows[f"{name}/{stage}"]
                assert np.array_equal(out[0].numpy()[:: comparison.STRIDE], theirs), f"{name} {stage}"
                compared += theirs.size
    assert compared > 800_000  # values


def test_the_stages_do_something(comparison: Any) -> None:
    """The comparison above can fail: without one stage, or with Pillow's inverse DCT, the pixels are others."""
    image = comparison.inputs()["LIBERO 256x256"]
    whole = preprocess(image[None], jpeg=True, size=224)
    without_crop = preprocess(image[None], jpeg=True, size=224, crop=False)
    without_jpeg = preprocess(image[None], jpeg=False, size=224)
    assert not torch.equal(whole, without_crop)
    assert not torch.equal(whole, without_jpeg)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95, subsampling="4:2:0")
    difference = np.abs(np.asarray(Image.open(file)).astype(int) - round_trip(torch.from_numpy(image)[None])[0].numpy())
    assert 0 < difference.mean() < 2  # the same levels, another inverse DCT


@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (50, 97), (8, 5), (240, 320)], ids=str)
def test_jpeg_keeps_the_shape_and_stays_near(shape: tuple[int, int]) -> None:
    grey = np.full((1, *shape, 3), 77, np.uint8)
    assert torch.equal(round_trip(torch.from_numpy(grey)), torch.from_numpy(grey))
    y, x = np.mgrid[: shape[0], : shape[1]]
    slope = np.repeat(((x + y) // 3).astype(np.uint8)[None, ..., None], 3, -1)
    assert np.abs(round_trip(torch.from_numpy(slope)).numpy().astype(int) - slope).max() <= 3


@pytest.mark.parametrize("size", [(256, 256), (128, 128), (480, 640), (100, 300)], ids=str)
def test_a_plain_image_stays_plain(size: tuple[int, int]) -> None:
    """The weights of every output sum to 1, at the borders too."""
    for value in (0, 1, 100, 254, 255):
        plain = np.full((1, *size, 3), value, np.uint8)
        assert (preprocess(plain, jpeg=False, size=224) == value).all()
        assert (resize_as_training(torch.from_numpy(plain), 224) == value).all()
        assert torch.allclose(lanczos3(torch.from_numpy(plain), 224, 224), torch.tensor(float(value)), rtol=1e-6)


def test_the_crop_is_nine_tenths_of_the_area_with_aligned_corners() -> None:
    """On a slope, the outermost samples lie at (1 - sqrt(0.9)) / 2 of the way between the outermost pixels."""
    slope = torch.arange(256, dtype=torch.float32)[None, None, :, None].expand(1, 100, 256, 3)
    cropped = centre_crop(slope, float(np.sqrt(0.9)), 224)
    margin = (1 - np.sqrt(0.9)) / 2
    expected = np.linspace(255 * margin, 255 * (1 - margin), 224)
    assert np.allclose(cropped[0, 0, :, 0], expected, atol=1e-4)
    assert cropped.shape == (1, 224, 224, 3)
    assert torch.allclose(cropped, cropped[:, :1])


def test_an_image_of_the_size_is_not_resized() -> None:
    image = torch.from_numpy(noise(2, 224, 224, 3))
    assert torch.equal(resize_as_training(image, 224), image)


@pytest.mark.parametrize("jpeg", [True, False])
def test_frames_of_a_batch_do_not_meet(jpeg: bool) -> None:
    frames = noise(3, 120, 160, 3)
    together = preprocess(frames, jpeg=jpeg, size=56)
    singly = torch.cat([preprocess(frame[None], jpeg=jpeg, size=56) for frame in frames])
    assert torch.equal(together, singly)
    assert together.dtype == torch.uint8 and together.shape == (3, 56, 56, 3)
    assert torch.equal(
        preprocess(frames[:, ::-1], jpeg=False, size=56), crop_centre(torch.tensor(frames[:, ::-1].copy()), 56)
    )


def test_the_input_is_left_as_it_was() -> None:
    frames = noise(1, 64, 64, 3)
    before = frames.copy()
    preprocess(frames, jpeg=True, size=64)
    preprocess(frames, jpeg=False, size=64)
    assert np.array_equal(frames, before)


def test_neither_resized_nor_cropped_is_refused() -> None:
    with pytest.raises(ValueError, match="100x80 are neither resized nor cropped to 224"):
        preprocess(noise(1, 100, 80, 3), jpeg=False, size=224, crop=False)
    assert preprocess(noise(1, 224, 224, 3), jpeg=False, size=224, crop=False).shape == (1, 224, 224, 3)


def test_normalize_gives_dinov2_then_siglip_camera_by_camera() -> None:
    images = torch.from_numpy(noise(2, 3, 4, 5, 3))
    means = torch.tensor([[0.484375, 0.455078125, 0.40625], [0.5, 0.5, 0.5]])
    stds = torch.tensor([[0.228515625, 0.2236328125, 0.224609375], [0.5, 0.5, 0.5]])
    pixels = normalize(images, means, stds)
    assert pixels.shape == (2, 18, 4, 5) and pixels.dtype == torch.float32
    for camera in range(3):
        for backbone in range(2):
            for colour in range(3):
                plane = images[:, camera, :, :, colour].numpy() / np.float32(255)
                expected = (plane - means[backbone, colour].item()) / stds[backbone, colour].item()
                assert np.allclose(pixels[:, 6 * camera + 3 * backbone + colour], expected, atol=1e-6)
