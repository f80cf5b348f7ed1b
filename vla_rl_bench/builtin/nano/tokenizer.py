"""Tokenizer of instructions: every word is hashed into one table, so no vocabulary is needed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from vla_rl_bench.types import IntArray

TABLE = 580  # rows beside the padding; the smallest at which no two words of the tabletop and LIBERO collide
PADDING = 0


def word_id(word: str) -> int:
    """Hash a word to 1..TABLE."""
    return 1 + zlib.crc32(word.encode()) % TABLE


def encode(instructions: Sequence[str], words: int) -> IntArray:
    """Encode to int64 ``[B, words]``, truncated or padded, without case and punctuation at the ends of words."""
    ids = np.full((len(instructions), words), PADDING, np.int64)
    for row, instruction in enumerate(instructions):
        word_ids = [word_id(word.strip(".,;:!?\"'")) for word in instruction.lower().split()[:words]]
        ids[row, : len(word_ids)] = word_ids
    return ids
