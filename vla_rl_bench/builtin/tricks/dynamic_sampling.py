"""Dynamic sampling: train on groups with both successes and failures."""

from __future__ import annotations

from dataclasses import dataclass

from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.types import Group


@dataclass(frozen=True)
class DynamicSampling:
    """Keep a group only if its success rate lies strictly between two bounds; draw new starts until the batch is full.

    low, high: exclusive bounds on the group's success rate.
    max_draws: limit of sampled groups, in batches; what was kept by then is the batch.
    """

    low: float = 0.0  # SimpleVLA-RL, section 3.3: groups that all fail ...
    high: float = 1.0  # ... or all succeed are excluded (0 < successes < G)
    max_draws: float = 4.0  # ours: the paper draws until the batch is full

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"low: expected 0 <= low < high <= 1, got low {self.low:g} and high {self.high:g}")
        if self.max_draws < 1:
            raise ValueError(f"max_draws: must be at least 1, got {self.max_draws:g}")

    @hookimpl
    def keep_group(self, group: Group) -> bool:
        return self.low < group.successes / len(group.trajectories) < self.high

    @hookimpl
    def draw_limit(self) -> float:
        return self.max_draws
