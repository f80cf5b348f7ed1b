"""Interquartile means from few seeds: the interval is Student's where it can be written down, and covers."""

from __future__ import annotations

import numpy as np
import pytest

from vla_rl_bench.analysis.statistics.bootstrap import interquartile_mean, stratified_bootstrap
from vla_rl_bench.analysis.statistics.intervals import average_over_seeds, over_seeds
from vla_rl_bench.analysis.statistics.robust import seeds_difference, seeds_interval


def test_of_three_scores_it_is_students_interval() -> None:
    """Three scores have no quarter to leave out, so their interquartile mean is the mean."""
    rates = [0.3, 0.5, 0.6]
    expected, found = over_seeds(rates).interval, seeds_interval([np.array(rates)[:, None]])
    assert expected is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_columns_add_their_variances() -> None:
    columns = [[0.3, 0.5, 0.6], [0.7, 0.75, 0.9]]
    found = seeds_interval([np.array(rates)[:, None] for rates in columns], lambda scores: scores.mean(axis=-1))
    expected = average_over_seeds(columns)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_what_paired_seeds_share_cancels() -> None:
    base = np.array([[0.2, 0.3], [0.5, 0.4], [0.8, 0.6]])
    paired = seeds_difference([base], [base + 0.1], paired=True)
    assert (paired.low, paired.high) == (pytest.approx(0.1), pytest.approx(0.1))
    apart = seeds_difference([base], [base + 0.1], paired=False)
    assert apart.low < 0 < apart.high


def test_it_stays_where_rates_can_be() -> None:
    wild = [np.array([[0.0], [1.0]])]
    assert (seeds_interval(wild).low, seeds_interval(wild).high) == (0.0, 1.0)
    gap = seeds_difference(wild, [1 - wild[0]], paired=True)
    assert (gap.low, gap.high) == (-1.0, 1.0)


def test_with_three_seeds_it_covers_where_percentiles_do_not() -> None:
    """Four columns of four tasks, a level a seed and column: the interquartile mean's own truth by simulation."""
    draw = np.random.default_rng(3)
    levels = draw.uniform(0.2, 0.9, size=(4, 1, 4))

    def world() -> list[np.ndarray]:  # type: ignore[type-arg]
        shifts = draw.normal(0, 0.08, size=(4, 3, 1))
        return list(np.clip(levels + shifts + draw.normal(0, 0.05, size=(4, 3, 4)), 0, 1))

    def score(side: list[np.ndarray]) -> float:  # type: ignore[type-arg]
        return float(interquartile_mean(np.concatenate([one.ravel() for one in side])))

    truth = float(np.mean([score(world()) for _ in range(2000)]))
    sides = [world() for _ in range(200)]
    students = [seeds_interval(side) for side in sides]
    percentiles = [stratified_bootstrap(side, replicates=500) for side in sides]
    covered = [np.mean([one.low <= truth <= one.high for one in found]) for found in (students, percentiles)]
    assert covered[0] > 0.9 > 0.88 > covered[1]
