"""Which action tokens count: those whose action was executed.  Chunk-major, dimensions inner."""

from __future__ import annotations

import torch
from torch import Tensor


def executed_tokens(steps: Tensor, chunk: int, action_dim: int) -> Tensor:
    """steps: int ``[C]`` actions executed in each chunk -> float ``[C, chunk * action_dim]`` of 1 and 0.

    A chunk stops at success or at the step limit; its later actions never reached the environment and get no gradient.
    """
    executed = torch.arange(chunk) < steps[:, None]
    return executed.repeat_interleave(action_dim, dim=1).float()
