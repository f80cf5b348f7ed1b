"""Many differences looked at together, each as `compare` finds it: which of them can be told from noise?

Who looks at twenty differences of recipes that are equal will find one whose 95% interval leaves out 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vla_rl_bench.analysis.statistics.comparison import ColumnGap, Comparison
from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, Interval

Told = Literal["yes", "if alone", "these policies", "no"]


@dataclass(frozen=True)
class Look:
    """One difference.  interval: at 95%, over other seeds and starts; with one seed a side, over starts alone."""

    difference: float
    interval: Interval
    told: Told


def look(found: ColumnGap | Comparison, looks: int) -> Look:
    """looks: how many differences are looked at in all, this one included."""
    interval = found.interval if found.over_seeds is None else found.over_seeds.interval()
    return Look(found.difference, interval, told(found, looks))


def told(found: ColumnGap | Comparison, looks: int) -> Told:
    """yes: for other seeds too, and by an interval so wide that all of the looks hold at 95% together (Bonferroni).
    if alone: only by its own 95% interval.  these policies: trained with other seeds, the difference may be none.
    """
    together = 1 - (1 - CONFIDENCE) / looks
    if found.over_seeds is not None and _excludes_zero(found.over_seeds.interval(together)):
        return "yes"
    if found.over_seeds is not None and _excludes_zero(found.over_seeds.interval()):
        return "if alone"
    certain = found.test is None or found.test.mid_p < 1 - together
    if _excludes_zero(found.interval) and certain:
        return "these policies"
    return "if alone" if found.over_seeds is None and _excludes_zero(found.interval) else "no"


def expected_by_chance(looks: int) -> float:
    """Of so many equal recipes, how many would seem to differ."""
    return looks * (1 - CONFIDENCE)


def _excludes_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0
