"""Clip higher: leave unlikely tokens more room to become likely."""

from __future__ import annotations

from dataclasses import dataclass

from vla_rl_bench import types
from vla_rl_bench.hookspecs import hookimpl


@dataclass(frozen=True)
class ClipRange:
    """Clip the probability ratio to ``[1 - low, 1 + high]``."""

    low: float = 0.2  # SimpleVLA-RL, section 3.3: from [0.8, 1.2] ...
    high: float = 0.28  # ... to [0.8, 1.28], as in DAPO (arXiv 2503.14476)

    def __post_init__(self) -> None:
        if not 0 < self.low < 1:
            raise ValueError(f"low: must lie between 0 and 1, got {self.low:g}")
        if not self.high > 0:
            raise ValueError(f"high: must be above 0, got {self.high:g}")

    @hookimpl
    def clip_range(self) -> types.ClipRange:
        return types.ClipRange(self.low, self.high)
