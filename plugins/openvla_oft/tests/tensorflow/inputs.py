"""The images that TensorFlow and this project are compared on: made from a seed, the same under every NumPy.

Natural ones are frames of LIBERO's renderer, `tests/data/libero_frames.npz`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Images = dict[str, NDArray[np.uint8]]
SIZES = ((256, 256), (128, 128), (240, 320), (480, 640))
DATA = Path(__file__).resolve().parents[1] / "data"


def inputs() -> Images:
    """Name -> uint8 ``[H, W, 3]``."""
    made: Images = {}
    for height, width in SIZES:
        generator = np.random.default_rng([height, width])
        size = f"{height}x{width}"
        made[f"noise {size}"] = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        made[f"gradient {size}"] = gradient(height, width)
        made[f"edges {size}"] = edges(height, width, generator)
    with np.load(DATA / "libero_frames.npz") as frames:
        for name in frames.files:
            made[f"LIBERO {name}"] = frames[name]
    return made


def gradient(height: int, width: int) -> NDArray[np.uint8]:
    """Slow slopes in each channel, in whole numbers."""
    y, x = np.mgrid[:height, :width]
    red, green = 255 * x // (width - 1), 255 * y // (height - 1)
    return np.stack([red, green, (red + 255 - green) // 2], -1).astype(np.uint8)


def edges(height: int, width: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Boxes of saturated colours, which overshoot in JPEG and Lanczos."""
    image = np.zeros((height, width, 3), np.uint8)
    for _ in range(40):
        top, left = generator.integers(0, height), generator.integers(0, width)
        tall, wide = generator.integers(1, height // 2), generator.integers(1, width // 2)
        image[top : top + tall, left : left + wide] = generator.choice([0, 255], 3)
    return image
