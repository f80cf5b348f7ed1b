"""Actions in [-1, 1] <-> 256 action tokens, as OpenVLA has them (facts: openvla/prismatic ``action_tokenizer``).

256 edges on [-1, 1] make 255 intervals, so 255 centres.  Token ids *descend* with the value: token 0 (the vocabulary's
31744) is the top, and tokens 0 and 1 both mean the top centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 256
_EDGES = np.linspace(-1.0, 1.0, BINS)
_CENTRES = ((_EDGES[:-1] + _EDGES[1:]) / 2).astype(np.float32)


def encode(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Values ``[...]``, clipped to [-1, 1] -> tokens ``[...]`` in 0..255.

    Raises:
        ValueError: A value is NaN, which has no token (`numpy.digitize` would make it the largest action).
    """
    if np.isnan(values).any():
        raise ValueError("an action is NaN: it has no token")
    tokens: NDArray[np.int16] = (BINS - np.digitize(np.clip(values, -1.0, 1.0), _EDGES)).astype(np.int16)
    return tokens


def decode(tokens: NDArray[np.integer]) -> NDArray[np.float32]:
    """Tokens ``[...]`` -> the centres of their intervals, float32 in (-1, 1)."""
    return _CENTRES[np.clip(BINS - 1 - np.asarray(tokens, np.int64), 0, BINS - 2)]
