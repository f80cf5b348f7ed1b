from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from vla_rl_bench.analysis.statistics import bootstrap
from vla_rl_bench.analysis.statistics.bootstrap import add_pseudo_starts, paired_bootstrap
from vla_rl_bench.analysis.statistics.intervals import Interval


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


def test_paired_bootstrap_agrees_with_the_paired_t_interval_on_many_starts() -> None:
    gaps = [-1.0] * 40 + [1.0] * 100 + [0.0] * 260
    interval = paired_bootstrap([gaps])
    expected = ttest_1samp(gaps, 0.0).confidence_interval(0.95)
    assert interval.low == pytest.approx(expected.low, abs=0.004)
    assert interval.high == pytest.approx(expected.high, abs=0.004)


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
    assert len(add_pseudo_starts([1.0] * 9 + [0.0] * 9)) == 20
    assert len(add_pseudo_starts([1.0] * 10 + [0.0] * 9)) == 19
