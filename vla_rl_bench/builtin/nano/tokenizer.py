"""Instructions as token ids: every word hashed into one table, so that no vocabulary has to be agreed upon."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from vla_rl_bench.types import IntArray

TABLE = 580  # rows beside the padding; the smallest at which no two words of the tabletop and LIBERO collide
PADDING = 0


def word_id(word: str) -> int:
    """1..TABLE."""
    return 1 + zlib.crc32(word.encode()) % TABLE


def encode(instructions: Sequence[str], words: int) -> IntArray:
    """-> int64 ``[B, words]``, cut or padded; cases and punctuation at a word's ends do not count."""
    ids = np.full((len(instructions), words), PADDING, np.int64)
    for row, instruction in enumerate(instructions):
        known = [word_id(word.strip(".,;:!?\"'")) for word in instruction.lower().split()[:words]]
        ids[row, : len(known)] = known
    return ids
