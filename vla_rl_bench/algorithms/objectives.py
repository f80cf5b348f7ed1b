"""Per-token objectives, to be maximized."""

from __future__ import annotations

import torch
from torch import Tensor

from vla_rl_bench.types import ClipRange


def clipped(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: ClipRange) -> Tensor:
    """Compute the clipped objective of each token: ``min(r A, clip(r, 1 - low, 1 + high) A)``.

    SimpleVLA-RL, equation 11, without a KL term; separate bounds as in DAPO (arXiv 2503.14476), "clip higher".

    Args:
        logprobs: Log-probs under the policy that is trained, with gradients; any shape, the same for all tensors.
        old_logprobs: Log-probs under the policy that acted.
        advantages: Advantage of each token.
        clip: Bounds of the ratio r.

    Returns:
        Objective of each token, in the shape of `logprobs`.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip.low, 1 + clip.high) * advantages)


def clipped_tokens(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: ClipRange) -> Tensor:
    """Mark the tokens whose gradient the clip of `clipped` removes: those whose clipped branch is the smaller.

    Args:
        logprobs: As in `clipped`, like the other arguments.
        old_logprobs: Log-probs under the policy that acted.
        advantages: Advantage of each token.
        clip: Bounds of the ratio r.

    Returns:
        1 or 0 for each token, in the shape and dtype of `logprobs`.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    above = (ratio > 1 + clip.high) & (advantages > 0)
    below = (ratio < 1 - clip.low) & (advantages < 0)
    return (above | below).to(logprobs.dtype)
