"""Per-token objectives, to be maximised."""

from __future__ import annotations

import torch
from torch import Tensor

from vla_rl_bench.types import ClipRange


def clipped(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: ClipRange) -> Tensor:
    """``min(r A, clip(r, 1 - low, 1 + high) A)`` per token: SimpleVLA-RL's equation 11, no KL term.

    All tensors have one shape; old_logprobs and advantages carry no gradient.  Separate bounds as in DAPO
    (arXiv 2503.14476), "clip higher".
    """
    ratio = torch.exp(logprobs - old_logprobs)
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip.low, 1 + clip.high) * advantages)


def clipped_tokens(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: ClipRange) -> Tensor:
    """Mark the tokens that the clip of `clipped` takes out of the gradient: 1 where its clipped branch is the smaller
    one, else 0."""
    ratio = torch.exp(logprobs - old_logprobs)
    above = (ratio > 1 + clip.high) & (advantages > 0)
    below = (ratio < 1 - clip.low) & (advantages < 0)
    return (above | below).to(logprobs.dtype)
