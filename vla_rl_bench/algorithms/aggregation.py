"""How token objectives become one number: weights that sum to 1 over a mini-batch.

Always named in the suite: papers and codes differ, and the difference moves the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def trajectory_mean(mask: Tensor, trajectory: Tensor) -> Tensor:
    """Mean over trajectories of each trajectory's token mean: SimpleVLA-RL's equation 11 (``1/G sum 1/|a_i| sum``).

    mask: ``[C, T]`` of 1 and 0.  trajectory: int ``[C]``, which trajectory of the mini-batch a chunk belongs to,
    0..n-1.  -> weights ``[C, T]``, 0 where masked.
    """
    n = int(trajectory.max()) + 1
    tokens = torch.zeros(n, dtype=mask.dtype).index_add_(0, trajectory, mask.sum(dim=1))
    return mask / tokens[trajectory][:, None] / n


def token_mean(mask: Tensor, trajectory: Tensor) -> Tensor:
    """Mean over all executed tokens of the mini-batch (DAPO): long trajectories weigh more.

    Arguments as for `trajectory_mean`.
    """
    return mask / mask.sum()


AGGREGATES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "trajectory-mean": trajectory_mean,
    "token-mean": token_mean,
}
