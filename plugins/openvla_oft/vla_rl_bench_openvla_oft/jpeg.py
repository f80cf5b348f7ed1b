"""A JPEG round trip as TensorFlow makes it, batched, in integers: what the policy's images lose on their way.

`tf.io.decode_image(tf.io.encode_jpeg(image))` with TensorFlow's defaults: quality 95, chroma halved both ways, accurate
forward DCT, but the *fast* inverse DCT (TensorFlow's choice) and smooth chroma upsampling.  Pillow encodes to the same
bytes yet decodes with the accurate inverse DCT, which on LIBERO frames differs in seven of ten values, by up to 12
levels.  Entropy coding loses nothing, so no bytes are made here.

The arithmetic is that of ISO/IEC 10918-1 in the fixed point of the Independent JPEG Group's library (`jfdctint`,
`jidctfst`, `jdsample`, `jccolor`), which libjpeg-turbo reproduces bit for bit.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional

QUALITY = 95  # tf.io.encode_jpeg's default

# ISO/IEC 10918-1, annex K, tables K.1 and K.2: luminance and chrominance, row by row.
_LUMINANCE = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_CHROMINANCE = (
    "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99 " + "99 " * 32
)
# Arai, Agui, Nakajima 1988: cos(k pi / 16) * sqrt(2), 1 at k = 0; the fast inverse DCT has them in its quantisers.
_SCALES = (1.0, 1.387039845, 1.306562965, 1.175875602, 1.0, 0.785694958, 0.541196100, 0.275899379)


def round_trip(images: Tensor) -> Tensor:
    """uint8 ``[B, H, W, 3]`` RGB -> the same after encoding and decoding."""
    height, width = images.shape[1:3]
    red, green, blue = images.to(torch.int32).unbind(-1)
    luminance = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    blueness = (-11059 * red - 21709 * green + 32768 * blue + 8421375) >> 16
    redness = (32768 * red - 27439 * green - 5329 * blue + 8421375) >> 16
    y = _code(luminance, _LUMINANCE)
    cb, cr = (_chroma(plane)[:, :height, :width] - 128 for plane in (blueness, redness))
    decoded = (
        y + ((91881 * cr + 32768) >> 16),
        y + ((-22554 * cb - 46802 * cr + 32768) >> 16),
        y + ((116130 * cb + 32768) >> 16),
    )
    return torch.stack(decoded, -1).clamp_(0, 255).to(torch.uint8)


def _chroma(plane: Tensor) -> Tensor:
    """int32 ``[B, H, W]`` -> about the same, halved, coded and doubled; one more row or column where H or W is odd."""
    rows, columns = (plane.shape[1] + 1) // 2, (plane.shape[2] + 1) // 2
    return _upsample(_code(_halve(plane), _CHROMINANCE)[:, :rows, :columns])


def _code(plane: Tensor, table: str) -> Tensor:
    """int32 ``[B, H, W]``, 0 to 255 -> the same through DCT, quantisation and back."""
    batch, height, width = plane.shape
    padded = _extend(plane, -height % 8, -width % 8) - 128
    rows, columns = padded.shape[1] // 8, padded.shape[2] // 8
    blocks = padded.reshape(batch, rows, 8, columns, 8).permute(2, 4, 0, 1, 3).reshape(8, 8, -1)
    quantisers = _quantisers(table)
    levels = _quantise(_forward(blocks), quantisers)
    scales = torch.tensor(_SCALES, dtype=torch.float64)
    fixed = (torch.outer(scales, scales) * 16384).round().to(torch.int32)  # 14 bits
    multipliers = (quantisers * fixed + 2048) >> 12  # of which 2 are kept
    blocks = _inverse(levels * multipliers[:, :, None])
    whole = blocks.reshape(8, 8, batch, rows, columns).permute(2, 3, 0, 4, 1).reshape(batch, rows * 8, columns * 8)
    return whole[:, :height, :width]


def _quantisers(table: str) -> Tensor:
    """int32 ``[8, 8]`` at `QUALITY`."""
    base = torch.tensor([int(word) for word in table.split()], dtype=torch.int32).reshape(8, 8)
    return ((base * (200 - 2 * QUALITY) + 50) // 100).clamp_(1, 255)


def _forward(blocks: Tensor) -> Tensor:
    """int32 ``[8, 8, N]`` -> its DCT times 8, float64 of whole numbers.

    Each pass is a product with whole numbers, rounded once, so a matrix product in float64 is exact.
    """
    matrix = _dct_matrix()
    across = torch.matmul(matrix, blocks.to(torch.float64)).add_(2.0**10).mul_(2.0**-11).floor_()
    return torch.matmul(matrix, across.reshape(8, -1)).add_(2.0**14).mul_(2.0**-15).floor_().reshape(blocks.shape)


@functools.cache
def _dct_matrix() -> Tensor:
    """float64 ``[8, 8]``: the accurate DCT's whole numbers, times 2**13 (Loeffler, Ligtenberg, Moschytz 1989)."""
    d = torch.eye(8, dtype=torch.float64)
    sums, differences = d[:4] + d[[7, 6, 5, 4]], d[[3, 2, 1, 0]] - d[[4, 5, 6, 7]]
    outer, inner = sums[0] - sums[3], sums[1] - sums[2]
    shared = 4433 * (inner + outer)
    a, b, c, e = differences  # of the samples 3-4, 2-5, 1-6, 0-7
    turn = 9633 * (a + c + b + e)
    ae, bc = -7373 * (a + e), -20995 * (b + c)
    ac, be = turn - 16069 * (a + c), turn - 3196 * (b + e)
    return torch.stack(
        [
            8192 * sums.sum(0),
            12299 * e + ae + be,
            shared + 6270 * outer,
            25172 * c + bc + ac,
            8192 * (sums[0] + sums[3] - sums[1] - sums[2]),
            16819 * b + bc + be,
            shared - 15137 * inner,
            2446 * a + ae + ac,
        ]
    )


def _quantise(coefficients: Tensor, quantisers: Tensor) -> Tensor:
    """Eight times the DCT -> int32 levels, halves away from zero."""
    step = quantisers.to(torch.float64)[:, :, None] * 8
    levels = ((coefficients.abs() + step / 2) / step).floor_()
    return torch.copysign(levels, coefficients).to(torch.int32)


def _inverse(coefficients: Tensor) -> Tensor:
    """int32 ``[8, 8, N]`` -> samples, 0 to 255."""
    columns = _inverse_pass(coefficients.unbind(0))
    rows = _inverse_pass(torch.stack(columns).unbind(1))
    return (torch.stack(rows, 1) >> 5).clamp_(-128, 127).add_(128)


def _inverse_pass(x: tuple[Tensor, ...] | list[Tensor]) -> list[Tensor]:
    """Eight coefficients -> eight samples; constants in 8 bits, products rounded down (AAN, as `jidctfst`)."""
    even, odd = x[2] + x[6], x[0] + x[4]
    middle = (((x[2] - x[6]) * 362) >> 8) - even
    low = x[0] - x[4]
    halves = (odd + even, low + middle, low - middle, odd - even)
    z13, z10, z11, z12 = x[5] + x[3], x[5] - x[3], x[1] + x[7], x[1] - x[7]
    first = z11 + z13
    shared = ((z10 + z12) * 473) >> 8
    second = ((z10 * -669) >> 8) + shared - first
    third = (((z11 - z13) * 362) >> 8) - second
    fourth = ((z12 * 277) >> 8) - shared + third
    turns = (first, second, third, -fourth)
    return [half + turn for half, turn in zip(halves, turns, strict=True)] + [
        half - turn for half, turn in reversed(list(zip(halves, turns, strict=True)))
    ]


def _halve(plane: Tensor) -> Tensor:
    """int32 ``[B, H, W]`` -> ``[B, ceil(H / 2), columns]``: means of 2x2, halves rounded down and up in turn.

    The last column is repeated up to a whole block before the mean, the last row only up to an even count.
    """
    even = _extend(plane, plane.shape[1] % 2, -plane.shape[2] % 16)
    sums = even[:, ::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, ::2] + even[:, 1::2, 1::2]
    bias = torch.arange(sums.shape[2], dtype=torch.int32) % 2 + 1
    return (sums + bias) >> 2


def _upsample(plane: Tensor) -> Tensor:
    """int32 ``[B, h, w]`` -> ``[B, 2h, 2w]``: triangle filter, 3/4 of the near sample, 1/4 of the far one."""
    padded = _extend(plane, 1, 0, both=True)
    near = 3 * plane
    rows = torch.stack([near + padded[:, :-2], near + padded[:, 2:]], 2).reshape(plane.shape[0], -1, plane.shape[2])
    padded = _extend(rows, 0, 1, both=True)
    near = 3 * rows
    columns = torch.stack([(near + padded[..., :-2] + 8) >> 4, (near + padded[..., 2:] + 7) >> 4], 3)
    return columns.reshape(*rows.shape[:2], -1)


def _extend(plane: Tensor, rows: int, columns: int, both: bool = False) -> Tensor:
    """Repeat the last row and column; the first ones too with `both`."""
    if not (rows or columns):
        return plane
    sizes = (columns if both else 0, columns, rows if both else 0, rows)
    return functional.pad(plane[:, None].to(torch.float32), sizes, mode="replicate")[:, 0].to(torch.int32)
