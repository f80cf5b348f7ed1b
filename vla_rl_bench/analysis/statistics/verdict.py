"""A comparison in words: can the two sides be told from noise?"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from vla_rl_bench.analysis.statistics.comparison import Comparison
from vla_rl_bench.analysis.statistics.intervals import Interval, decimal

Told = Literal["recipes", "policies", "no"]
SIGNIFICANT = 0.05  # the level that belongs to 95% intervals


def told_apart(comparison: Comparison, same_recipe: bool = False) -> Told:
    """recipes: trained again, with other seeds, the better one would most likely be better.  policies: these ones.

    One seed a side cannot say anything about recipes, nor can a recipe be told from itself.
    """
    if comparison.over_seeds is not None and not same_recipe and _excludes_zero(comparison.over_seeds.interval()):
        return "recipes"
    return "policies" if _policies_differ(comparison) else "no"


def verdict(comparison: Comparison, names: tuple[str, str], same_recipe: bool = False) -> str:
    """names: of the first and the second side."""
    told = told_apart(comparison, same_recipe)
    better = names[1] if comparison.difference > 0 else names[0]
    several = comparison.over_seeds is not None
    interval = comparison.over_seeds.interval() if comparison.over_seeds is not None else comparison.interval
    gap = f"{points(abs(comparison.difference))} points"
    if told == "recipes":
        return f"{better} is better by {gap} {_toward(comparison, interval)}, for other seeds and starts as well."
    if told == "policies" and same_recipe:
        here = f"{gap} {_toward(comparison, comparison.interval)}"
        return (
            "Cannot be told apart: both are one recipe, with other seeds. The policies at hand differ, by "
            f"{here}; so much is the seed's doing."
        )
    if told == "policies" and several:
        return (
            f"Cannot be told apart over seeds: trained again, the difference may be anything in {signed(interval)} "
            f"points. The policies at hand differ: {better}'s are better by {gap} "
            f"{_toward(comparison, comparison.interval)}."
        )
    if told == "policies":
        return (
            f"{better} is better by {gap} {_toward(comparison, interval)}. That holds for these policies; with one "
            "seed on a side, what another seed would give is not known."
        )
    end = " Both are one recipe, with other seeds." if same_recipe else ""
    return f"Cannot be told apart: the difference may be anything in {signed(interval)} points.{end}"


def points(rate: float) -> str:
    """``0.123 -> "12.3"``, halves away from zero on the ratio of counts that `rate` stands for."""
    return decimal(100 * Fraction(rate).limit_denominator(1_000_000))


def signed(interval: Interval) -> str:
    """``[-1.0, +3.5]``, in points."""
    return f"[{_sign(interval.low)}, {_sign(interval.high)}]"


def _sign(rate: float) -> str:
    shown = points(rate)
    return shown if shown.startswith("-") or shown == "0.0" else f"+{shown}"


def _toward(comparison: Comparison, interval: Interval) -> str:
    """The interval, seen from the better side."""
    if comparison.difference >= 0:
        return f"[{points(interval.low)}, {points(interval.high)}]"
    return f"[{points(-interval.high)}, {points(-interval.low)}]"


def _policies_differ(comparison: Comparison) -> bool:
    """The interval and the test agree that they do; on the edge, where one does and one does not, they do not."""
    certain = comparison.test is None or comparison.test.mid_p < SIGNIFICANT
    return certain and _excludes_zero(comparison.interval)


def _excludes_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0
