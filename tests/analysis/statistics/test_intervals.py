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
    decimal_text,
    design_effect,
    interval_text,
    mover_interval,
    newcombe,
    percent_text,
    points_text,
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
    assert percent_text(successes, n) == shown


def test_halves_round_away_from_zero_so_that_a_difference_and_its_opposite_agree() -> None:
    assert decimal_text(Fraction(805, 100)) == "8.1"
    assert decimal_text(Fraction(-805, 100)) == "-8.1"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert decimal_text(Fraction(-4, 100)) == "0.0"


@pytest.mark.parametrize(
    ("rate", "plain", "signed"),
    [
        (0.123, "12.3", "+12.3"),
        (-0.0805, "-8.1", "-8.1"),
        (0.0, "0.0", "0.0"),
        (0.0004, "0.0", "0.0"),
        (1.0, "100.0", "+100.0"),
    ],
)
def test_points_text_rounds_and_signs(rate: float, plain: str, signed: str) -> None:
    assert (points_text(rate), points_text(rate, signed=True)) == (plain, signed)
    assert points_text(Fraction(str(rate))) == plain


def test_interval_text_has_both_ends() -> None:
    assert interval_text(Interval(0.35, 0.428)) == "[35.0, 42.8]"
    assert interval_text(Interval(-0.01, 0.035), signed=True) == "[-1.0, +3.5]"


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


def test_mover_of_normal_intervals_is_the_normal_interval_of_the_sum() -> None:
    """Half-widths 3 and 4 with weights 1/2 give half-width 2.5."""
    found = mover_interval([(0.5, 10.0, Interval(7.0, 13.0)), (0.5, 20.0, Interval(16.0, 24.0))])
    assert math.isclose(found.low, 12.5)
    assert math.isclose(found.high, 17.5)


# -- Student


@pytest.mark.parametrize(
    ("degrees", "confidence", "quantile"),
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (4, 0.95, 2.776), (9, 0.99, 3.250), (30, 0.9, 1.697), (120, 0.95, 1.980)],
)
def test_students_quantiles_are_those_of_the_printed_tables(degrees: int, confidence: float, quantile: float) -> None:
    assert round(t_quantile(degrees, confidence), 3) == quantile


def test_students_quantile_tends_to_the_normal_one() -> None:
    assert math.isclose(t_quantile(100_000), NormalDist().inv_cdf(0.975), rel_tol=2e-5)


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
