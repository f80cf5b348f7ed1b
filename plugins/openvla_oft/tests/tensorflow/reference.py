"""The reference's image pipeline in TensorFlow's own operations, stage by stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

SIZE = 224  # the backbones' input, pixels
AREA = 0.9  # of the centre crop

Image = NDArray[np.uint8]


def jpeg(image: Image) -> Image:
    """Encoded and decoded with TensorFlow's defaults."""
    encoded = tf.io.encode_jpeg(tf.constant(image))
    return numpy(tf.io.decode_image(encoded, expand_animations=False, dtype=tf.uint8))


def lanczos(image: Image) -> Image:
    """Resized to `SIZE`, rounded, clipped."""
    resized = tf.image.resize(tf.constant(image), (SIZE, SIZE), method="lanczos3", antialias=True)
    return numpy(tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8))


def crop(image: Image) -> Image:
    """The centre of `AREA`, bilinear to `SIZE`, in float and back."""
    side = tf.reshape(tf.clip_by_value(tf.sqrt(tf.constant(AREA)), 0, 1), (1,))
    offset = (1 - side) / 2
    boxes = tf.stack([offset, offset, offset + side, offset + side], axis=1)
    pixels = tf.image.convert_image_dtype(tf.constant(image)[None], tf.float32)
    cropped = tf.image.crop_and_resize(pixels, boxes, tf.range(1), (SIZE, SIZE))
    back = tf.image.convert_image_dtype(tf.clip_by_value(cropped, 0, 1), tf.uint8, saturate=True)
    return numpy(back)[0]


def stages(image: Image) -> dict[str, Image]:
    """Each stage of TensorFlow's own output of the one before; `libero` is all three, `straight` the crop alone."""
    encoded = jpeg(image)
    resized = lanczos(encoded)
    return {"jpeg": encoded, "lanczos": resized, "libero": crop(resized), "straight": crop(image)}


def numpy(tensor: Any) -> Image:
    return np.asarray(tensor.numpy(), np.uint8)
