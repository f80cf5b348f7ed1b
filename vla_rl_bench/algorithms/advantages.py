"""Advantage estimators: returns of groups in, advantages of the same shape out."""

from __future__ import annotations

from torch import Tensor


def group_advantages(returns: Tensor, *, eps: float = 1e-6) -> Tensor:
    """GRPO advantages: each return against its own group's mean and spread.

    returns: float ``[groups, rollouts]`` -> float ``[groups, rollouts]``.
    DeepSeekMath (arXiv 2402.03300), outcome supervision.  The deviation is the sample one (n - 1) and eps is 1e-6, as
    in SimpleVLA-RL's code.  A group whose returns are all equal gets exactly 0; the mean of equal numbers need not be
    that number in floating point.
    """
    centred = returns - returns.mean(dim=1, keepdim=True)
    advantages = centred / (returns.std(dim=1, keepdim=True, correction=1) + eps)
    return advantages.masked_fill((returns == returns[:, :1]).all(dim=1, keepdim=True), 0.0)
