"""The conclusion from a difference: significant for the recipes, for these policies only, or not at all."""

from __future__ import annotations

from enum import StrEnum

from vla_rl_bench.analysis.statistics.comparison import Difference
from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, Interval, interval_text, points_text


class Verdict(StrEnum):
    RECIPES_DIFFER = "recipes_differ"  # also with other seeds and other starts
    RECIPES_DIFFER_UNCORRECTED = "recipes_differ_uncorrected"  # only without correction for the number of comparisons
    POLICIES_DIFFER = "policies_differ"  # these policies; with other seeds there may be no difference
    NO_DIFFERENCE = "no_difference"


def verdict(difference: Difference, *, comparisons: int = 1, same_recipe: bool = False) -> Verdict:
    """Judge a difference at 95%.

    One seed on a side is no evidence about recipes, and a recipe does not differ from itself.  For policies both the
    interval and the exact test must be significant.

    Args:
        comparisons: The number of differences judged together, this one included (Bonferroni's correction).
        same_recipe: Both sides are one recipe with different seeds.
    """
    corrected = 1 - (1 - CONFIDENCE) / comparisons
    if difference.over_seeds is not None and not same_recipe:
        if difference.over_seeds.interval(corrected).excludes_zero:
            return Verdict.RECIPES_DIFFER
        if difference.over_seeds.interval().excludes_zero:
            return Verdict.RECIPES_DIFFER_UNCORRECTED
    significant = difference.test is None or difference.test.mid_p < 1 - corrected
    policies_differ = significant and difference.policies_interval.excludes_zero
    return Verdict.POLICIES_DIFFER if policies_differ else Verdict.NO_DIFFERENCE


def expected_by_chance(comparisons: int) -> float:
    """The expected number of significant differences among so many equal recipes."""
    return comparisons * (1 - CONFIDENCE)


def conclusion(difference: Difference, names: tuple[str, str], *, same_recipe: bool = False) -> str:
    """The verdict as a sentence; names are those of the first and the second side."""
    better = names[1] if difference.value > 0 else names[0]
    points = f"{points_text(abs(difference.value))} points"
    policies = f"{points} {_from_better_side(difference, difference.policies_interval)}"
    anything = f"anything in {interval_text(difference.interval, signed=True)} points"
    match verdict(difference, same_recipe=same_recipe):
        case Verdict.RECIPES_DIFFER:
            interval = _from_better_side(difference, difference.interval)
            return f"{better} is better by {points} {interval}, also for other seeds and starts."
        case Verdict.POLICIES_DIFFER if same_recipe:
            return (
                "No significant difference: both sides are the same recipe with different seeds. These policies differ "
                f"by {policies}; that is the variation between seeds."
            )
        case Verdict.POLICIES_DIFFER if difference.over_seeds is not None:
            return (
                f"No significant difference between the recipes: with other seeds it may be {anything}. Of these "
                f"policies, {better}'s are better by {policies}."
            )
        case Verdict.POLICIES_DIFFER:
            return (
                f"{better} is better by {policies}. This holds for these policies; with one seed on a side, nothing is "
                "known about other seeds."
            )
        case _:
            same = " Both sides are the same recipe with different seeds." if same_recipe else ""
            return f"No significant difference: it may be {anything}.{same}"


def _from_better_side(difference: Difference, interval: Interval) -> str:
    return interval_text(interval if difference.value >= 0 else Interval(-interval.high, -interval.low))
