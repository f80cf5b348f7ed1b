from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.analysis.statistics import bootstrap
from vla_rl_bench.analysis.statistics.bootstrap import (
    interquartile_mean,
    paired_bootstrap,
    steadied,
    stratified_bootstrap,
    stratified_difference,
)
from vla_rl_bench.analysis.statistics.intervals import Interval, paired_difference


def within(found: float, nominal: float, trials: int) -> bool:
    """Not fewer than a binomial's three deviations below `nominal`."""
    return found > nominal - 3 * math.sqrt(nominal * (1 - nominal) / trials)


def covers(interval: Interval, truth: float) -> bool:
    return interval.low - 1e-9 <= truth <= interval.high + 1e-9


# -- starts


def test_resampled_means_have_the_distribution_of_all_samples_with_replacement() -> None:
    """Of four gaps all 4^4 samples can be listed."""
    gaps = np.array([-1.0, 0.0, 0.5, 1.0])
    listed = [float(np.mean(sample)) for sample in itertools.product(gaps, repeat=4)]
    drawn = bootstrap._resampled_means(gaps, np.random.default_rng(0), 200_000)
    for mean in set(listed):
        exact = np.mean(np.isclose(listed, mean))
        assert abs(np.mean(np.isclose(drawn, mean)) - exact) < 5 * math.sqrt(exact * (1 - exact) / 200_000)


def test_on_many_starts_the_bootstrap_is_the_paired_t_interval() -> None:
    outcomes = [(1, 0)] * 40 + [(0, 1)] * 100 + [(1, 1)] * 160 + [(0, 0)] * 100
    found = paired_bootstrap([[b - a for a, b in outcomes]])
    first = {start: (a, 1) for start, (a, _) in enumerate(outcomes)}
    second = {start: (b, 1) for start, (_, b) in enumerate(outcomes)}
    normal = paired_difference(second, first)
    assert found.low == pytest.approx(normal.low, abs=0.004)
    assert found.high == pytest.approx(normal.high, abs=0.004)


def test_the_same_seed_gives_the_same_interval() -> None:
    gaps = [0.0, 1.0, -0.5, 1.0, 0.25] * 5
    assert paired_bootstrap([gaps]) == paired_bootstrap([gaps])
    assert paired_bootstrap([gaps]) != paired_bootstrap([gaps], seed=1)


@pytest.mark.parametrize(
    ("starts", "first_only", "second_only"),
    [(20, 0.1, 0.2), (50, 0.05, 0.25), (200, 0.005, 0.02), (200, 0.03, 0.08), (200, 0.01, 0.57)],
)
def test_it_covers_the_true_difference_as_often_as_it_says(starts: int, first_only: float, second_only: float) -> None:
    trials, draw = 600, np.random.default_rng(5)
    counts = draw.multinomial(starts, [first_only, 1 - first_only - second_only, second_only], size=trials)
    hits = [
        covers(
            paired_bootstrap([np.repeat([-1.0, 0.0, 1.0], count).tolist()], replicates=1000), second_only - first_only
        )
        for count in counts
    ]
    assert within(float(np.mean(hits)), 0.95, trials)


def test_starts_are_the_clusters_so_that_copies_of_a_rollout_narrow_nothing() -> None:
    """Three rollouts that agree give the same gap of rates as one."""
    gaps = [1.0] * 12 + [-1.0] * 6 + [0.0] * 30
    tripled = [sum([gap] * 3) / 3 for gap in gaps]
    assert paired_bootstrap([tripled]) == paired_bootstrap([gaps])


def test_columns_count_alike_whatever_their_number_of_starts() -> None:
    found = paired_bootstrap([[1.0, 0.0] * 50, [0.0, 0.0, 0.0, -1.0] * 100])
    assert (found.low + found.high) / 2 == pytest.approx((0.5 - 0.25) / 2, abs=0.01)


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_arms_that_always_do_the_same_are_not_sure_to(gap: float) -> None:
    found = paired_bootstrap([[gap] * 100])
    assert covers(found, gap) or gap == 1.0  # the two added starts pull it in by 2 in 102
    assert 0.01 < found.high - found.low < 0.06


def test_two_starts_are_added_only_where_few_tell() -> None:
    assert len(steadied([1.0] * 9 + [0.0] * 9)) == 20
    assert len(steadied([1.0] * 10 + [0.0] * 9)) == 19


# -- interquartile means


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -9.0])) == pytest.approx(3.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_of_up_to_three_it_is_the_mean(values: list[float]) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(np.mean(values))


def listed_quantiles(strata: Sequence[np.ndarray]) -> list[float]:
    """The statistic of every way to draw every stratum's seeds with replacement."""
    ways = [
        [scores[list(rows)].ravel() for rows in itertools.product(range(len(scores)), repeat=len(scores))]
        for scores in strata
    ]
    return [float(interquartile_mean(np.concatenate(way))) for way in itertools.product(*ways)]


def test_the_stratified_bootstrap_draws_seeds_within_each_column() -> None:
    """Two columns with three seeds: all 27 x 27 samples listed."""
    strata = [np.array([[0.1, 0.3], [0.2, 0.4], [0.7, 0.5]]), np.array([[0.9, 0.8], [0.6, 0.95], [0.55, 0.85]])]
    listed = listed_quantiles(strata)
    draws = interquartile_mean(bootstrap._draws(strata, 100_000, np.random.default_rng(1)))
    assert np.mean(draws) == pytest.approx(np.mean(listed), abs=0.002)
    assert np.std(draws) == pytest.approx(np.std(listed), rel=0.02)
    found = stratified_bootstrap(strata)
    assert found.low == pytest.approx(np.quantile(listed, 0.025), abs=0.01)
    assert found.high == pytest.approx(np.quantile(listed, 0.975), abs=0.01)


def test_paired_seeds_are_drawn_alike_so_that_what_they_share_cancels() -> None:
    base = np.array([[0.2], [0.5], [0.8]])
    paired = stratified_difference([base], [base + 0.1], paired=True)
    assert (paired.low, paired.high) == (pytest.approx(0.1), pytest.approx(0.1))
    apart = stratified_difference([base], [base + 0.1], paired=False)
    assert apart.low < 0 < apart.high


def test_with_twenty_seeds_the_stratified_interval_covers() -> None:
    """Of normal scores the interquartile mean estimates the mean; three columns of one task."""
    trials, draw = 400, np.random.default_rng(2)
    hits = [
        covers(stratified_bootstrap(list(draw.normal(0.5, 0.1, size=(3, 20, 1))), replicates=1000), 0.5)
        for _ in range(trials)
    ]
    assert within(float(np.mean(hits)), 0.94, trials)  # a percentile interval of 60 values is a little narrow
