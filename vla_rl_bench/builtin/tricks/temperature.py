"""A higher rollout temperature: more different trajectories to compare."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.types import SamplingParams


@dataclass(frozen=True)
class Temperature:
    """Divide the logits by `value` in the rollouts and in the log-probs of the update; evaluation is not touched."""

    value: float = 1.6  # SimpleVLA-RL, section 3.3: raised from 1.0

    def __post_init__(self) -> None:
        if not 0 < self.value < math.inf:
            raise ValueError(f"value: must be above 0, got {self.value:g}")

    @hookimpl
    def sampling_params(self) -> SamplingParams:
        return SamplingParams(temperature=self.value)
