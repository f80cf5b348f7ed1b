"""TensorFlow's two resizes of the policy's images, batched, to its last bit.

Weights and the order of the sums are TensorFlow's (`scale_and_translate_op.cc`, `crop_and_resize_op.cc`), because a sum
in another order lands on the other side of a half now and then.  Each is applied along one axis, then along
the other, as a few multiply-adds of whole slices: 2 taps, or 7 to 18, where a matrix product would have hundreds.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_RADIUS = 3  # Lanczos3


def lanczos3(images: Tensor, height: int, width: int) -> Tensor:
    """uint8 or float ``[B, H, W, C]`` -> float32 ``[B, height, width, C]``, in the same units, not clipped.

    `tf.image.resize(images, (height, width), method="lanczos3", antialias=True)`: half-pixel centres, the kernel
    widened where the image shrinks, weights normalized.  An image that has the size already is left as it is.
    """
    values = images.to(torch.float32)
    if (height, width) == tuple(images.shape[1:3]):
        return values
    rows = _weigh(values.movedim(1, 0), height)  # rows first, as TensorFlow
    return _weigh(rows.permute(2, 1, 0, 3), width).permute(1, 2, 0, 3)


def centre_crop(images: Tensor, side: float, size: int) -> Tensor:
    """uint8 ``[B, H, W, C]`` -> float32 ``[B, size, size, C]`` of 0 to 1: the centre, `side` of each side, bilinear.

    `tf.image.crop_and_resize(images / 255, ...)`: the box's corners are the centres of the outermost samples; no
    antialiasing.
    """
    columns = _interpolate(images, 2, side, size)  # columns first, as TensorFlow
    return _interpolate(columns, 1, side, size)


def _weigh(values: Tensor, size: int) -> Tensor:
    """``[n, ...]`` -> ``[size, ...]``."""
    starts, weights = _lanczos_weights(values.shape[0], size)
    values = values.contiguous()
    total = torch.zeros(size, *values.shape[1:])
    for tap in range(weights.shape[1]):
        taken = values.index_select(0, (starts + tap).clamp_(max=values.shape[0] - 1))
        total += taken.mul_(weights[:, tap].view(-1, *[1] * (values.ndim - 1)))
    return total


@functools.lru_cache(maxsize=64)
def _lanczos_weights(source: int, size: int) -> tuple[Tensor, Tensor]:
    """-> the first source sample of each output, int64 ``[size]``; its weights, float32 ``[size, taps]``."""
    single = np.float32
    step = single(1.0 / single(single(size) / single(source)))
    widened = max(step, single(1.0))
    narrowed = single(1) / widened
    samples = (np.arange(size, dtype=single) + single(0.5)) * step
    reach = single(_RADIUS) * widened
    first = np.clip(np.ceil(samples - reach - single(0.5)), 0, source - 1).astype(np.int64)
    last = np.clip(np.floor(samples + reach - single(0.5)), 0, source - 1).astype(np.int64)
    weights = np.zeros((size, int((last - first).max()) + 1), single)
    total = np.zeros(size, single)
    for tap in range(weights.shape[1]):
        position = (first + tap).astype(single) + single(0.5) - samples
        inside = first + tap <= last
        weights[:, tap] = np.where(inside, _lanczos(np.abs(position * narrowed)), single(0))
        total += weights[:, tap]
    weights *= (single(1) / total)[:, None]
    return torch.from_numpy(first), torch.from_numpy(weights)


def _lanczos(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """sinc(x) sinc(x / 3) in single precision; 1 within 1e-3 of 0, 0 beyond the radius."""
    pi = np.float32(math.pi)
    near = x <= np.float32(1e-3)
    divisor = np.where(near, np.float32(1), x)
    angle = pi * divisor
    value = np.float32(_RADIUS) * _sine(angle) * _sine(angle / np.float32(_RADIUS)) / (pi * pi * divisor * divisor)
    return np.where(near, np.float32(1), np.where(x > _RADIUS, np.float32(0), value)).astype(np.float32)


def _sine(angle: NDArray[np.float32]) -> NDArray[np.float32]:
    """The C library's `sinf`, which TensorFlow calls: now and then it is one place off the nearest, and so are weights.

    Where there is none the nearest is taken: one value in some ten thousand then rounds to the other level.
    """
    try:
        sinf = ctypes.CDLL(ctypes.util.find_library("m")).sinf
    except (AttributeError, OSError):
        return np.sin(angle.astype(np.float64)).astype(np.float32)
    sinf.argtypes, sinf.restype = (ctypes.c_float,), ctypes.c_float
    return np.array([sinf(float(radians)) for radians in angle], np.float32)


def _interpolate(images: Tensor, axis: int, side: float, size: int) -> Tensor:
    """``[B, H, W, C]`` -> float32 with `size` samples along `axis`; uint8 becomes 0 to 1."""
    low, high, fraction = _bilinear_weights(images.shape[axis], side, size)
    near, far = images.index_select(axis, low), images.index_select(axis, high)
    if images.dtype == torch.uint8:
        near, far = (pixels.to(torch.float32).mul_(1.0 / 255) for pixels in (near, far))
    return far.sub_(near).mul_(fraction.view(-1, *[1] * (3 - axis))).add_(near)


@functools.lru_cache(maxsize=64)
def _bilinear_weights(source: int, side: float, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """-> the samples before and after, int64 ``[size]``; how far between them, float32 ``[size]``."""
    single = np.float32
    begin = (single(1) - single(side)) / single(2)
    end = begin + single(side)
    step = (end - begin) * single(source - 1) / single(size - 1)
    places = begin * single(source - 1) + np.arange(size, dtype=single) * step
    low, high = np.floor(places), np.ceil(places)
    fraction = torch.from_numpy((places - low).astype(single))
    return torch.from_numpy(low.astype(np.int64)), torch.from_numpy(high.astype(np.int64)), fraction
