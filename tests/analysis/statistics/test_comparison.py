"""A difference between two sides: pairs, independent sides, several columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from vla_rl_bench.analysis.statistics.bootstrap import paired_bootstrap
from vla_rl_bench.analysis.statistics.comparison import (
    Difference,
    StartCounts,
    common_start_counts,
    compare,
    start_counts,
)
from vla_rl_bench.analysis.statistics.intervals import mover_interval, newcombe
from vla_rl_bench.errors import UserError


def side(outcomes: Sequence[Sequence[int]], first_start: int = 0, episodes: int = 1) -> StartCounts:
    """outcomes: a row of successes per seed."""
    successes = np.array(outcomes)
    starts = tuple((0, first_start + number) for number in range(successes.shape[1]))
    return StartCounts(tuple(range(len(successes))), starts, successes, np.full_like(successes, episodes))


def frame(played: Sequence[tuple[int, int, bool]]) -> pd.DataFrame:
    rows = [
        {"run": f"s{seed}", "seed": seed, "task": 0, "start": start, "success": success}
        for seed, start, success in played
    ]
    return pd.DataFrame(rows)


def test_start_counts_keep_starts_that_one_seed_did_not_play() -> None:
    counts = start_counts(frame([(0, 5, True), (0, 6, False), (1, 5, True), (1, 5, False)]))
    assert counts.starts == ((0, 5), (0, 6))
    assert counts.successes.tolist() == [[1, 0], [1, 0]]
    assert counts.episodes.tolist() == [[1, 1], [2, 0]]
    assert counts.clusters() == [(2, 3), (0, 1)]
    assert not counts.even


def test_common_start_counts_leave_them_out() -> None:
    assert common_start_counts(frame([(0, 5, True), (0, 6, False), (1, 5, True)])).starts == ((0, 5),)
    with pytest.raises(UserError, match="s0, s1: no start that every seed played"):
        common_start_counts(frame([(0, 5, True), (1, 6, True)]))


def test_difference_of_pairs_has_the_bootstrap_and_the_exact_test() -> None:
    first, second = side([[0] * 20 + [1] * 10]), side([[1] * 12 + [0] * 8 + [1] * 9 + [0]])
    difference = Difference(((first, second),))
    assert difference.value == pytest.approx(11 / 30)
    assert difference.policies_interval == paired_bootstrap([[1.0] * 12 + [0.0] * 17 + [-1.0]])
    assert difference.test is not None and (difference.test.first, difference.test.second) == (1, 12)
    assert difference.over_seeds is None


@pytest.mark.parametrize("other", [side([[1, 0, 1, 1]], first_start=2), side([[1, 0, 2, 1]], episodes=2)])
def test_difference_of_other_starts_is_not_paired(other: StartCounts) -> None:
    difference = Difference(((side([[0, 0, 1, 0]]), other),))
    assert difference.paired == (other.starts == ((0, 0), (0, 1), (0, 2), (0, 3)))


def test_difference_of_uneven_starts_is_not_paired() -> None:
    first = side([[1, 0, 1, 1]])
    second = StartCounts(first.seeds, first.starts, np.array([[1, 0, 1, 1]]), np.array([[1, 2, 1, 1]]))
    assert not Difference(((first, second),)).paired


def test_difference_of_independent_sides_has_newcombes_interval() -> None:
    first, second = side([[1] * 15 + [0] * 5]), side([[1] * 18 + [0] * 2], first_start=100)
    difference = Difference(((first, second),))
    expected = newcombe((18, 20), (15, 20))
    assert difference.test is None and difference.over_seeds is None
    assert (difference.interval.low, difference.interval.high) == pytest.approx((expected.low, expected.high))
    both = Difference(((first, second), (first, side([[1] * 15 + [0] * 5]))))
    parts = [Difference((pair,)) for pair in both.pairs]
    assert both.interval == mover_interval((0.5, part.value, part.policies_interval) for part in parts)


def test_compare_takes_the_common_starts() -> None:
    first, second = side([[1] * 10]), side([[0] * 10], first_start=4)
    comparison = compare({"a": (first, second), "b": (first, side([[0] * 10], first_start=50))})
    assert comparison.columns["a"].pairs[0][0].starts == comparison.columns["a"].pairs[0][1].starts
    assert len(comparison.columns["a"].pairs[0][0].starts) == 6
    assert not comparison.columns["b"].paired
    assert comparison.mean.value == -1.0


def test_mean_over_columns_pools_the_tests() -> None:
    pair = (side([[0, 0, 0, 1]]), side([[1, 1, 0, 1]]))
    test = Difference((pair, pair)).test
    assert test is not None and (test.first, test.second) == (0, 4)
