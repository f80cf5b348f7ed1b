"""Looking at many differences asks more of each."""

from __future__ import annotations

import numpy as np

from vla_rl_bench.analysis.statistics.comparison import Comparison, Outcomes, compare
from vla_rl_bench.analysis.statistics.looks import expected_by_chance, look, told

STARTS = tuple((0, index) for index in range(60))


def outcomes(rate: float, seeds: int, draw: np.random.Generator, spread: float = 0.0) -> Outcomes:
    own = np.clip(rate + spread * draw.standard_normal((seeds, 1)), 0, 1)
    successes = (draw.random((seeds, len(STARTS))) < own).astype(np.int64)
    return Outcomes(tuple(range(seeds)), STARTS, successes, np.ones_like(successes))


def compared(first: float, second: float, seeds: int, draw: np.random.Generator, spread: float = 0.0) -> Comparison:
    return compare([("a", outcomes(first, seeds, draw, spread), outcomes(second, seeds, draw, spread))])


def test_more_looks_never_make_a_difference_surer() -> None:
    draw = np.random.default_rng(0)
    order = ["yes", "if alone", "these policies", "no"]
    for gap in np.linspace(0.0, 0.4, 9):
        found = compared(0.4, 0.4 + gap, 4, draw)
        words = [told(found, looks) for looks in (1, 3, 10, 100)]
        assert [order.index(word) for word in words] == sorted(order.index(word) for word in words)


def test_with_a_single_look_nothing_is_sure_only_alone() -> None:
    draw = np.random.default_rng(1)
    for gap in np.linspace(0.0, 0.4, 9):
        assert told(compared(0.4, 0.4 + gap, 4, draw), 1) != "if alone"


def test_a_large_difference_stays_sure_among_many() -> None:
    found = look(compared(0.1, 0.9, 5, np.random.default_rng(2)), 20)
    assert found.told == "yes"
    assert found.interval.low > 0.5


def test_one_seed_speaks_of_these_policies_only() -> None:
    found = compared(0.1, 0.9, 1, np.random.default_rng(3))
    assert found.over_seeds is None
    assert told(found, 20) == "these policies"
    assert look(found, 20).interval == found.interval


def test_of_equal_recipes_few_are_called_different_however_many_are_looked_at() -> None:
    """10 ablations of five variants that are worth the same: at most one in twenty has one told from noise."""
    draw = np.random.default_rng(4)
    wrong = sum(any(told(compared(0.5, 0.5, 4, draw, spread=0.1), 5) == "yes" for _ in range(5)) for _ in range(10))
    assert wrong <= 2
    assert expected_by_chance(10) == 0.5 or abs(expected_by_chance(10) - 0.5) < 1e-9
