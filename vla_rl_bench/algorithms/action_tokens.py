"""Actions in [-1, 1] as 256 action tokens, as in OpenVLA (openvla/prismatic, ``action_tokenizer.py``).

256 edges on [-1, 1] make 255 intervals, so 255 centers.  Token ids *descend* with the value: token 0 (the vocabulary's
31744) is the top, and tokens 0 and 1 both mean the top center.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 256  # OpenVLA
_EDGES = np.linspace(-1.0, 1.0, BINS)
_CENTERS = ((_EDGES[:-1] + _EDGES[1:]) / 2).astype(np.float32)


def encode(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Convert normalized actions to tokens.

    Args:
        values: Float ``[...]``; clipped to [-1, 1].

    Returns:
        Tokens int16 ``[...]`` in 0..255.

    Raises:
        ValueError: A value is NaN, which has no token (`numpy.digitize` would make it the largest action).
    """
    if np.isnan(values).any():
        raise ValueError("an action is NaN: it has no token")
    tokens: NDArray[np.int16] = (BINS - np.digitize(np.clip(values, -1.0, 1.0), _EDGES)).astype(np.int16)
    return tokens


def decode(tokens: NDArray[np.integer]) -> NDArray[np.float32]:
    """Convert tokens to normalized actions, the centers of their intervals.

    Args:
        tokens: Integers ``[...]`` in 0..255.

    Returns:
        Values float32 ``[...]`` in (-1, 1).
    """
    return _CENTERS[np.clip(BINS - 1 - np.asarray(tokens, np.int64), 0, BINS - 2)]
