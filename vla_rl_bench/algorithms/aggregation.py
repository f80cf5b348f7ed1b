"""Aggregation of token objectives to one number: weights that sum to 1 over a mini-batch.

A suite always names one: papers and codes differ, and the difference acts like another learning rate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def trajectory_mean(mask: Tensor, trajectory: Tensor) -> Tensor:
    """Weight tokens for the mean over trajectories of each trajectory's token mean.

    SimpleVLA-RL, equation 11: ``1/G sum 1/|a_i| sum``.

    Args:
        mask: ``[C, T]`` of 1 and 0: tokens that count.
        trajectory: int64 ``[C]``, the trajectory of the mini-batch, 0..n-1, that a chunk belongs to.

    Returns:
        Weights ``[C, T]``; 0 for masked tokens.
    """
    n = int(trajectory.max()) + 1
    tokens = torch.zeros(n, dtype=mask.dtype).index_add_(0, trajectory, mask.sum(dim=1))
    return mask / tokens[trajectory][:, None] / n


def token_mean(mask: Tensor, trajectory: Tensor) -> Tensor:
    """Weight tokens for the mean over all tokens of the mini-batch: long trajectories count more.

    DAPO (arXiv 2503.14476), token-level loss.

    Args:
        mask: ``[C, T]`` of 1 and 0: tokens that count.
        trajectory: Not used; as in `trajectory_mean`.

    Returns:
        Weights ``[C, T]``; 0 for masked tokens.
    """
    return mask / mask.sum()


AGGREGATES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "trajectory-mean": trajectory_mean,
    "token-mean": token_mean,
}
