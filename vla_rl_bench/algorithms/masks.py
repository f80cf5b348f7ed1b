"""Mask of the action tokens whose action was executed.  Chunk-major, dimensions inner."""

from __future__ import annotations

import torch
from torch import Tensor


def executed_tokens(steps: Tensor, chunk: int, action_dim: int) -> Tensor:
    """Mark the tokens whose action was executed.

    A chunk stops at success or at the step limit; its later actions never reached the environment and get no gradient.

    Args:
        steps: Integers ``[C]``, actions executed in each chunk.
        chunk: K, actions of a chunk.
        action_dim: D, dimensions of an action.

    Returns:
        Float ``[C, K*D]`` of 1 and 0.
    """
    executed = torch.arange(chunk) < steps[:, None]
    return executed.repeat_interleave(action_dim, dim=1).float()
