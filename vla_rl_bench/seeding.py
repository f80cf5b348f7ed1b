"""Named random generators: every draw comes from a generator keyed by its purpose, never from a global state.

So a resumed run draws what the interrupted one would have drawn, and adding a worker changes nothing.
"""

from __future__ import annotations

import zlib

import numpy as np


def key_of(*parts: int | str) -> list[int]:
    """Convert names and counters to the entropy of a seed sequence."""
    return [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in parts]


def generator(*parts: int | str) -> np.random.Generator:
    """Make the generator of a purpose.

    Args:
        parts: Names and non-negative integers, such as ``"rollout", seed, iteration, group``.
    """
    return np.random.default_rng(np.random.SeedSequence(key_of(*parts)))


def integer(*parts: int | str) -> int:
    """Make a 31-bit seed of a purpose, for libraries that need an int.

    Args:
        parts: Names and non-negative integers, as for `generator`.
    """
    return int(np.random.SeedSequence(key_of(*parts)).generate_state(1)[0] >> 1)
