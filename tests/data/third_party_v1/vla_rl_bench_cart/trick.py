"""Keep groups that have both successes and failures, sampled at a temperature, with an entropy bonus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.types import ClipRange, Group, SamplingParams

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MixedGroups:
    """temperature: of the rollouts.  draws: how often a batch may be drawn.  bonus: coefficient of the entropy."""

    temperature: float = 1.2
    draws: float = 2.0
    bonus: float = 0.001

    @hookimpl
    def sampling_params(self, iteration: int, default: SamplingParams) -> SamplingParams | None:
        return SamplingParams(temperature=self.temperature * default.temperature)

    @hookimpl
    def draw_limit(self, iteration: int, default: float) -> float | None:
        return self.draws

    @hookimpl
    def keep_group(self, group: Group) -> bool | None:
        return 0 < group.successes < len(group.trajectories)

    @hookimpl
    def clip_range(self, iteration: int, default: ClipRange) -> ClipRange | None:
        return ClipRange(low=default.low, high=default.high)

    @hookimpl
    def loss_terms(self, logprobs: Tensor, entropy: Tensor, mask: Tensor) -> dict[str, Tensor] | None:
        return {"cart_entropy": -self.bonus * (entropy * mask).sum() / mask.sum()}
