"""A batch of trajectories as SimpleVLA-RL (github.com/PRIME-RL/SimpleVLA-RL at 7c51662) stores it.

Follows ``verl/workers/rollout/rob_rollout.py``, ``_prepare_output_batch``: every trajectory has all 64 chunks, each
with its ``pixel_values`` as float32 in six channels of 224 x 224 (one image normalized for two vision transformers), a
prompt padded to 512 tokens with its mask, and the sampled tokens as int64; then ``old_log_probs`` in float32 for each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHUNKS, TOKENS, PROMPT, PIXELS, CHANNELS = 64, 56, 512, 224, 6


def stored(trajectories: int) -> dict[str, NDArray[np.generic]]:
    """Make the arrays, filled with zeros; their pages are not touched, so they may be larger than the free memory."""
    leading = trajectories, CHUNKS
    return {
        "pixel_values": np.zeros((*leading, CHANNELS, PIXELS, PIXELS), np.float32),
        "input_ids": np.zeros((*leading, PROMPT), np.int64),
        "attention_mask": np.zeros((*leading, PROMPT), np.int64),
        "responses": np.zeros((*leading, TOKENS), np.int64),
        "old_log_probs": np.zeros((*leading, TOKENS), np.float32),
    }
