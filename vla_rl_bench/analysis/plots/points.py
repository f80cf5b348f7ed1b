"""Where a policy stood while it was trained: the held-out evaluations of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vla_rl_bench.config.schema import ArmConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Point:
    """updates: how often the policy had been updated when it was measured.  rate: of success, in [0, 1].

    episodes: 0 where they are not known.
    """

    seed: int
    updates: int
    rate: float
    episodes: int = 0


def held_out(episodes: pd.DataFrame, arm: ArmConfig, column: str) -> list[Point]:
    """Greedy, the suite's own evaluation.  Without evaluations in between: before and after RL."""
    main = episodes[
        (episodes["column"] == column) & (episodes["evaluation"] == "main") & (episodes["sampling"] == "greedy")
    ]
    between = main[(main["arm"] == arm.name) & main["iteration"].notna()]
    if len(between):
        return _points(between)
    assert arm.rl is not None
    final = main[main["iteration"].isna()]
    ends = ((arm.from_, 0), (arm.name, arm.rl.iterations))
    return [point for name, updates in ends for point in _points(final[final["arm"] == name].assign(iteration=updates))]


def _points(episodes: pd.DataFrame) -> list[Point]:
    rates = episodes.groupby(["seed", "iteration"])["success"].agg(["mean", "size"]).reset_index()
    return [Point(int(seed), int(i), float(rate), int(n)) for _, seed, i, rate, n in rates.itertuples()]
