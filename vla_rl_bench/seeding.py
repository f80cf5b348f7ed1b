"""Randomness by name: every draw comes from a generator keyed by what it is for, never from a global state.

So a resumed run draws what the interrupted one would have drawn, and adding a worker changes nothing.
"""

from __future__ import annotations

import zlib

import numpy as np


def key_of(*parts: int | str) -> list[int]:
    """Names and counters -> the entropy of a seed sequence."""
    return [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in parts]


def generator(*parts: int | str) -> np.random.Generator:
    """The generator of ``("rollout", seed, iteration, group)`` and the like."""
    return np.random.default_rng(np.random.SeedSequence(key_of(*parts)))


def integer(*parts: int | str) -> int:
    """A 31-bit seed for libraries that want an int."""
    return int(np.random.SeedSequence(key_of(*parts)).generate_state(1)[0] >> 1)
