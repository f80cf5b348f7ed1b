"""From an environment's frames to what the two vision backbones take; every stage equals TensorFlow's (see tests).

openvla-oft resizes LIBERO's frames as its training data were (JPEG, Lanczos3), then crops the centre because it was
trained on random crops; SimpleVLA-RL does the same, and gives RoboTwin's frames straight to the crop.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vla_rl_bench.types import ImageArray
from vla_rl_bench_openvla_oft.jpeg import round_trip
from vla_rl_bench_openvla_oft.resize import centre_crop, lanczos3

CROP_AREA = 0.9  # openvla-oft, experiments/robot/openvla_utils.py: crop_scale; the area of the random crops in training


def preprocess(frames: ImageArray, *, jpeg: bool, size: int, crop: bool = True) -> Tensor:
    """uint8 ``[B, H, W, 3]`` -> uint8 ``[B, size, size, 3]``, on the CPU.

    jpeg: first the JPEG round trip and the Lanczos3 resize that LIBERO's frames go through; without it the frame, of
    whatever size and aspect, goes straight to the crop.  crop: False where a checkpoint was trained without random
    crops; then the frame must have the size already, or come through `jpeg`.
    """
    images = torch.from_numpy(np.ascontiguousarray(frames))
    if jpeg:
        images = resize_as_training(round_trip(images), size)
    if crop:
        return crop_centre(images, size)
    if images.shape[1:3] != (size, size):
        raise ValueError(f"frames of {images.shape[1]}x{images.shape[2]} are neither resized nor cropped to {size}")
    return images


def resize_as_training(images: Tensor, size: int) -> Tensor:
    """uint8 ``[B, H, W, 3]`` -> uint8 ``[B, size, size, 3]`` by Lanczos3: rounded (halves to even), clipped."""
    return lanczos3(images, size, size).round_().clamp_(0, 255).to(torch.uint8)


def crop_centre(images: Tensor, size: int) -> Tensor:
    """uint8 ``[B, H, W, 3]`` -> uint8 ``[B, size, size, 3]``: the centre, of `CROP_AREA`, bilinear.

    There and back as `tf.image.convert_image_dtype`: times 1/255; times 255.5, rounded down.
    """
    side = float(np.sqrt(np.float32(CROP_AREA)))
    return centre_crop(images, side, size).clamp_(0, 1).mul_(255.5).to(torch.uint8)


def normalize(images: Tensor, means: Tensor, stds: Tensor) -> Tensor:
    """uint8 ``[B, n, H, W, 3]`` -> float32 ``[B, 6 * n, H, W]``, on the images' device.

    means, stds: float ``[2, 3]``, RGB; first DINOv2's, then SigLIP's.  Channels: camera by camera, three for DINOv2,
    then three for SigLIP, of the image divided by 255.
    """
    pixels = images.permute(0, 1, 4, 2, 3).to(torch.float32).div_(255)[:, :, None]
    shape = (1, 1, 2, 3, 1, 1)
    mean, std = (value.to(pixels.device, torch.float32).view(shape) for value in (means, stds))
    return ((pixels - mean) / std).flatten(1, 3)
