"""An advantage estimator and an objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vla_rl_bench.types import ClipRange

if TYPE_CHECKING:
    from torch import Tensor


def centred(returns: Tensor) -> Tensor:
    """Return minus the mean of its group: float ``[groups, rollouts]`` -> the same shape."""
    return returns - returns.mean(dim=1, keepdim=True)


def unclipped(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: ClipRange) -> Tensor:
    """Ratio times advantage, per token."""
    assert clip.low > 0 and clip.high > 0
    return (logprobs - old_logprobs).exp() * advantages
