"""An advantage estimator and a trick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vla_rl_bench.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor


def leave_one_out(returns: Tensor) -> Tensor:
    """RLOO (arXiv 2402.14740): each return minus the mean of the others in its group.

    returns: float ``[groups, rollouts]`` -> the same shape.
    """
    rollouts = returns.shape[1]
    return (returns - returns.mean(dim=1, keepdim=True)) * rollouts / (rollouts - 1)


@dataclass(frozen=True)
class EntropyBonus:
    """Reward uncertainty: add the mean token entropy, times `coefficient`, to the objective."""

    coefficient: float = 0.01

    def __post_init__(self) -> None:
        if self.coefficient <= 0:
            raise ValueError(f"coefficient: {self.coefficient:g} is not positive; leave the trick out instead")

    @hookimpl
    def loss_terms(self, entropy: Tensor, mask: Tensor) -> dict[str, Tensor]:
        return {"entropy_bonus": -self.coefficient * (entropy * mask).sum() / mask.sum()}
