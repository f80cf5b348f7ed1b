from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.analysis.statistics.intervals import (
    Cluster,
    Interval,
    clustered,
    decimal,
    design_effect,
    difference,
    newcombe,
    over_seeds,
    paired_difference,
    percent,
    square_and_add,
    t_quantile,
    wilson,
)

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CLUSTERS = st.lists(st.integers(1, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1)


def rounded(interval: Interval, places: int = 4) -> tuple[float, float]:
    return round(interval.low, places), round(interval.high, places)


# -- rounding


@pytest.mark.parametrize(
    ("successes", "n", "shown"),
    [
        (1981, 2000, "99.1"),  # 99.05, where "%.1f" prints 99.0
        (1, 3, "33.3"),
        (2, 3, "66.7"),
        (0, 5, "0.0"),
        (5, 5, "100.0"),
        (1999, 2000, "100.0"),  # 99.95
    ],
)
def test_percent_rounds_half_up_on_the_exact_ratio(successes: int, n: int, shown: str) -> None:
    assert percent(successes, n) == shown


def test_halves_round_away_from_zero_so_that_a_difference_and_its_opposite_agree() -> None:
    assert decimal(Fraction(805, 100)) == "8.1"
    assert decimal(Fraction(-805, 100)) == "-8.1"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert decimal(Fraction(-4, 100)) == "0.0"


# -- one rate


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe 1998, Stat. Med. 17:857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(successes: int, n: int, low: float, high: float) -> None:
    assert rounded(wilson(successes, n)) == (low, high)


@given(COUNTS)
def test_wilson_holds_the_rate_stays_within_0_and_1_and_mirrors(count: Cluster) -> None:
    k, n = count
    interval, mirrored = wilson(k, n), wilson(n - k, n)
    assert 0 <= interval.low <= k / n <= interval.high <= 1
    assert math.isclose(interval.low, 1 - mirrored.high, abs_tol=1e-12)


@given(COUNTS)
def test_wilsons_limits_are_the_rates_that_a_score_test_just_rejects(count: Cluster) -> None:
    k, n = count
    z = NormalDist().inv_cdf(0.975)
    for limit in (wilson(k, n).low, wilson(k, n).high):
        if 1e-9 < limit < 1 - 1e-9:
            assert math.isclose(abs(k / n - limit) / math.sqrt(limit * (1 - limit) / n), z, rel_tol=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_rate(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no rate"):
        wilson(successes, n)


# -- clusters


@given(st.lists(st.booleans(), min_size=1))
def test_with_one_episode_a_start_clustering_changes_nothing(outcomes: list[bool]) -> None:
    found = clustered([(int(outcome), 1) for outcome in outcomes])
    assert math.isclose(found.design_effect, 1.0)
    plain = wilson(sum(outcomes), len(outcomes))
    assert math.isclose(found.interval.low, plain.low, abs_tol=1e-9)
    assert math.isclose(found.interval.high, plain.high, abs_tol=1e-9)


@given(CLUSTERS)
def test_clustering_never_narrows_the_interval(clusters: list[Cluster]) -> None:
    found = clustered(clusters)
    plain = wilson(found.successes, found.n)
    assert found.interval.low <= plain.low + 1e-12
    assert found.interval.high >= plain.high - 1e-12


def test_starts_whose_episodes_all_agree_count_about_once_each() -> None:
    """s copies of m starts hold as much as m starts: N / deff is m (N-s) / (N-1), which tends to m."""
    m, s = 40, 5
    clusters = [(s, s)] * (m // 2) + [(0, s)] * (m // 2)
    total = m * s
    assert math.isclose(total / design_effect(clusters), m * (total - s) / (total - 1))


def test_where_every_episode_succeeds_the_starts_are_counted_not_the_episodes() -> None:
    assert clustered([(2, 2)] * 20).interval == wilson(20, 20)


def test_a_single_start_counts_as_one_episode() -> None:
    assert design_effect([(3, 8)]) == 8


# -- differences


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [  # Newcombe 1998, Stat. Med. 17:873-890, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
    ],
)
def test_newcombes_method_10_gives_the_published_intervals(
    first: Cluster, second: Cluster, low: float, high: float
) -> None:
    assert rounded(newcombe(first, second)) == (low, high)


@given(COUNTS, COUNTS)
def test_a_difference_mirrors_when_its_sides_are_swapped(first: Cluster, second: Cluster) -> None:
    there, back = newcombe(first, second), newcombe(second, first)
    assert math.isclose(there.low, -back.high, abs_tol=1e-12)
    assert there.low <= first[0] / first[1] - second[0] / second[1] <= there.high


def test_the_paired_interval_is_the_paired_t_interval_when_every_start_has_as_many_episodes() -> None:
    """Student's sleep data (1908, the ten differences of his table), as tenths of successes in 100 episodes a start."""
    gaps = [12, 24, 13, 13, 0, 10, 18, 8, 46, 14]
    first = {start: (50 + gap, 100) for start, gap in enumerate(gaps)}
    second = dict.fromkeys(range(len(gaps)), (50, 100))
    assert rounded(paired_difference(first, second)) == (0.07, 0.246)  # 0.70 to 2.46 hours


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2))
def test_pairing_holds_the_difference_and_mirrors(outcomes: list[tuple[bool, bool]]) -> None:
    first = {start: (int(a), 1) for start, (a, _) in enumerate(outcomes)}
    second = {start: (int(b), 1) for start, (_, b) in enumerate(outcomes)}
    there, back = paired_difference(first, second), paired_difference(second, first)
    gap = sum(int(a) - int(b) for a, b in outcomes) / len(outcomes)
    assert -1 <= there.low <= gap + 1e-12
    assert gap - 1e-12 <= there.high <= 1
    assert math.isclose(there.low, -back.high, abs_tol=1e-12)


def test_pairing_narrows_when_both_arms_find_the_same_starts_hard() -> None:
    first = {start: (int(start >= 30), 1) for start in range(100)}
    second = {start: (int(start >= 35), 1) for start in range(100)}
    paired, apart = paired_difference(first, second), difference(list(first.values()), list(second.values()))
    assert apart.low < paired.low
    assert paired.high < apart.high


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({0: (1, 1), 1: (0, 1)}, {0: (1, 1), 2: (0, 1)}),  # other starts
        ({0: (1, 2), 1: (0, 2)}, {0: (1, 1), 1: (0, 1)}),  # other numbers of episodes
        ({0: (1, 1)}, {0: (0, 1)}),  # one start
        ({0: (1, 1), 1: (1, 1)}, {0: (0, 1), 1: (0, 1)}),  # all differences agree
    ],
)
def test_where_pairing_says_nothing_the_sides_count_as_independent(
    first: dict[int, Cluster], second: dict[int, Cluster]
) -> None:
    assert paired_difference(first, second) == difference(list(first.values()), list(second.values()))


def test_square_and_add_of_normal_intervals_is_the_normal_interval_of_the_sum() -> None:
    """Half-widths 3 and 4 with weights 1/2 give half-width 2.5."""
    found = square_and_add([(0.5, 10.0, Interval(7.0, 13.0)), (0.5, 20.0, Interval(16.0, 24.0))])
    assert math.isclose(found.low, 12.5)
    assert math.isclose(found.high, 17.5)


# -- seeds


@pytest.mark.parametrize(
    ("degrees", "confidence", "quantile"),
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (4, 0.95, 2.776), (9, 0.99, 3.250), (30, 0.9, 1.697), (120, 0.95, 1.980)],
)
def test_students_quantiles_are_those_of_the_printed_tables(degrees: int, confidence: float, quantile: float) -> None:
    assert round(t_quantile(degrees, confidence), 3) == quantile


def test_students_quantile_tends_to_the_normal_one() -> None:
    assert math.isclose(t_quantile(100_000), NormalDist().inv_cdf(0.975), rel_tol=2e-5)


def test_the_mean_over_seeds_has_the_sample_deviation_and_students_interval() -> None:
    summary = over_seeds([0.1, 0.2, 0.6])
    assert math.isclose(summary.mean, 0.3)
    assert summary.deviation is not None
    assert math.isclose(summary.deviation, math.sqrt(0.07))  # (0.04 + 0.01 + 0.09) / 2
    assert summary.interval is not None
    assert math.isclose(summary.interval.high - 0.3, 4.302652729749 * math.sqrt(0.07 / 3), rel_tol=1e-9)


def test_one_seed_has_a_mean_and_nothing_more() -> None:
    summary = over_seeds([0.5])
    assert (summary.mean, summary.deviation, summary.interval) == (0.5, None, None)


# -- coverage


@pytest.mark.parametrize("n", [10, 50, 200])
def test_wilsons_interval_covers_the_rate_as_often_as_it_says(n: int) -> None:
    """Exactly, from the binomial distribution: 95% on average over all rates (Agresti and Coull 1998)."""
    intervals = [wilson(k, n) for k in range(n + 1)]
    rates = [(i + 0.5) / 400 for i in range(400)]
    covered = [
        sum(
            math.comb(n, k) * rate**k * (1 - rate) ** (n - k)
            for k in range(n + 1)
            if intervals[k].low <= rate <= intervals[k].high
        )
        for rate in rates
    ]
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.006)
    assert min(covered) > 0.83
