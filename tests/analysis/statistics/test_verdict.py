"""Verdicts: the more comparisons, the more evidence each needs."""

from __future__ import annotations

import numpy as np
import pytest

from vla_rl_bench.analysis.statistics.comparison import Difference, StartCounts
from vla_rl_bench.analysis.statistics.intervals import interval_text
from vla_rl_bench.analysis.statistics.verdict import Verdict, conclusion, expected_by_chance, verdict

STARTS = tuple((0, index) for index in range(60))
ORDER = list(Verdict)  # the strongest first


def counts(rate: float, seeds: int, rng: np.random.Generator, spread: float = 0.0) -> StartCounts:
    own = np.clip(rate + spread * rng.standard_normal((seeds, 1)), 0, 1)
    successes = (rng.random((seeds, len(STARTS))) < own).astype(np.int64)
    return StartCounts(tuple(range(seeds)), STARTS, successes, np.ones_like(successes))


def difference(first: float, second: float, seeds: int, rng: np.random.Generator, spread: float = 0.0) -> Difference:
    return Difference(((counts(first, seeds, rng, spread), counts(second, seeds, rng, spread)),))


@pytest.mark.parametrize("seeds", [1, 4])
def test_verdict_never_strengthens_with_more_comparisons(seeds: int) -> None:
    rng = np.random.default_rng(0)
    for gap in np.linspace(0.0, 0.4, 9):
        measured = difference(0.4, 0.4 + gap, seeds, rng)
        verdicts = [ORDER.index(verdict(measured, comparisons=number)) for number in (1, 3, 10, 100)]
        assert verdicts == sorted(verdicts)


def test_verdict_of_a_single_comparison_is_never_uncorrected() -> None:
    rng = np.random.default_rng(1)
    verdicts = {verdict(difference(0.4, 0.4 + gap, 4, rng)) for gap in np.linspace(0.0, 0.4, 9)}
    assert Verdict.RECIPES_DIFFER in verdicts and Verdict.RECIPES_DIFFER_UNCORRECTED not in verdicts


def test_verdict_of_a_large_difference_stays_among_many() -> None:
    measured = difference(0.1, 0.9, 5, np.random.default_rng(2))
    assert verdict(measured, comparisons=20) is Verdict.RECIPES_DIFFER
    assert measured.interval.low > 0.5


def test_verdict_of_one_seed_is_about_these_policies() -> None:
    measured = difference(0.1, 0.9, 1, np.random.default_rng(3))
    assert measured.over_seeds is None and measured.interval == measured.policies_interval
    assert verdict(measured, comparisons=20) is Verdict.POLICIES_DIFFER


def test_verdict_of_one_recipe_is_about_these_policies() -> None:
    measured = difference(0.1, 0.9, 5, np.random.default_rng(3))
    assert verdict(measured, same_recipe=True) is Verdict.POLICIES_DIFFER
    assert "that is the variation between seeds" in conclusion(measured, ("A", "B"), same_recipe=True)


def test_equal_recipes_seldom_differ_however_many_are_compared() -> None:
    """10 ablations of five variants with equal rates: at most one in twenty has a significant difference."""
    rng = np.random.default_rng(4)
    wrong = sum(
        any(
            verdict(difference(0.5, 0.5, 4, rng, spread=0.1), comparisons=5) is Verdict.RECIPES_DIFFER for _ in range(5)
        )
        for _ in range(10)
    )
    assert wrong <= 2
    assert expected_by_chance(10) == pytest.approx(0.5)


@pytest.mark.parametrize("rates", [(0.1, 0.9), (0.9, 0.1)])
def test_conclusion_gives_the_interval_from_the_better_side(rates: tuple[float, float]) -> None:
    measured = difference(*rates, 3, np.random.default_rng(5))
    sentence = conclusion(measured, ("first", "second"))
    ends = sorted(map(abs, (measured.interval.low, measured.interval.high)))
    assert sentence.startswith(f"{'second' if rates[1] > rates[0] else 'first'} is better by ")
    assert f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}], also for other seeds and starts." in sentence


def test_conclusion_of_no_difference_gives_the_interval() -> None:
    measured = difference(0.5, 0.5, 1, np.random.default_rng(6))
    interval = interval_text(measured.interval, signed=True)
    assert conclusion(measured, ("A", "B")) == f"No significant difference: it may be anything in {interval} points."
