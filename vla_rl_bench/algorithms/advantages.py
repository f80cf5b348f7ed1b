"""Advantage estimators: returns of groups in, advantages of the same shape out."""

from __future__ import annotations

from torch import Tensor


def group_advantages(returns: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Compute GRPO's advantages: each return minus its group's mean, divided by its group's standard deviation.

    DeepSeekMath (arXiv 2402.03300), outcome supervision; SimpleVLA-RL, equation 10.

    Args:
        returns: Float ``[groups, rollouts]``.
        eps: Added to the standard deviation; 1e-6 as in SimpleVLA-RL's code, whose deviation is the sample one (n - 1)
            too.

    Returns:
        Advantages, float ``[groups, rollouts]``.  A group whose returns are all equal gets exactly 0; the mean of equal
        numbers need not be that number in floating point.
    """
    centered = returns - returns.mean(dim=1, keepdim=True)
    advantages = centered / (returns.std(dim=1, keepdim=True, correction=1) + eps)
    return advantages.masked_fill((returns == returns[:, :1]).all(dim=1, keepdim=True), 0.0)
