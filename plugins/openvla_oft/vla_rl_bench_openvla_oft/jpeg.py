"""A JPEG round trip as TensorFlow makes it: what the policy's images lose on their way.

`tf.io.decode_image(tf.io.encode_jpeg(image))` with TensorFlow's defaults: quality 95, chroma halved both ways, accurate
forward DCT, but the *fast* inverse DCT (TensorFlow's choice) and smooth chroma upsampling.  Pillow encodes to the same
bytes, yet decodes with the accurate inverse DCT, which on LIBERO frames differs in seven of ten values, by up to 12
levels; simplejpeg decodes with the fast one, yet encodes with a fast forward DCT.
"""

from __future__ import annotations

import io

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import Tensor

from vla_rl_bench.types import ImageArray

QUALITY = 95  # tf.io.encode_jpeg's default


def round_trip(images: Tensor) -> Tensor:
    """uint8 ``[B, H, W, 3]`` RGB -> the same after encoding and decoding."""
    return torch.from_numpy(np.stack([_decode(_encode(image)) for image in images.numpy()]))


def _encode(image: ImageArray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return stream.getvalue()


def _decode(data: bytes) -> ImageArray:
    image: ImageArray = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=False)
    return image
