from __future__ import annotations

import math

import numpy as np
import pytest

from vla_rl_bench.analysis.statistics.intervals import t_quantile
from vla_rl_bench.analysis.statistics.over_seeds import (
    SeededDifference,
    average,
    column_mean_interval,
    crossed_difference,
    summarize_seeds,
    variance_components,
)


def test_the_parts_are_those_of_a_two_way_analysis_of_variance() -> None:
    """By hand: means of the rows 2 and 4, of the columns 2, 3, 4; the rest is -1, 1, 0, 1, -1, 0."""
    rates = np.array([[0.0, 3.0, 3.0], [4.0, 3.0, 5.0]])
    found = variance_components(rates)
    assert found.seeds == pytest.approx(2 / 2)  # variance of 2 and 4 over 2 seeds
    assert found.starts == pytest.approx(1 / 3)  # variance of 2, 3, 4 over 3 starts
    assert found.residual == pytest.approx(4 / ((2 - 1) * (3 - 1)) / 6)


def test_the_seeds_part_of_paired_seeds_is_that_of_the_paired_t_interval() -> None:
    gaps = [0.1, 0.2, 0.6]
    found = crossed_difference(np.zeros((3, 12)), np.array(gaps)[:, None] * np.ones((1, 12)), paired=True)
    deviation = summarize_seeds(gaps).deviation
    assert deviation is not None
    assert (found.difference, found.degrees) == (pytest.approx(0.3), pytest.approx(2.0))
    assert found.seeds == pytest.approx(deviation**2 / 3)


def test_unpaired_seeds_have_welchs_variance_and_degrees() -> None:
    """Seeds' means 0.1, 0.2, 0.3 and 0.5, 0.9: variances 0.01 and 0.08."""
    first = np.array([0.1, 0.2, 0.3])[:, None] * np.ones((1, 20))
    second = np.array([0.5, 0.9])[:, None] * np.ones((1, 20))
    found = crossed_difference(first, second, paired=False)
    one, other = 0.01 / 3, 0.08 / 2
    assert found.difference == pytest.approx(0.5)
    assert found.seeds == pytest.approx(one + other)
    assert found.degrees == pytest.approx((one + other) ** 2 / (one**2 / 2 + other**2 / 1))


def test_two_parts_are_squared_and_added_each_with_its_quantile() -> None:
    half = SeededDifference(0.0, seeds=0.01, starts=0.04, degrees=2.0).interval().high
    assert half == pytest.approx(math.sqrt(t_quantile(2) ** 2 * 0.01 + 1.959964**2 * 0.04), rel=1e-6)


def test_four_alike_columns_have_half_the_deviation_and_four_times_the_degrees() -> None:
    found = average([SeededDifference(0.2, seeds=0.01, starts=0.002, degrees=2.0)] * 4)
    assert found.difference == pytest.approx(0.2)
    assert (found.seeds, found.starts) == (pytest.approx(0.01 / 4), pytest.approx(0.002 / 4))
    assert found.degrees == pytest.approx(8.0)


def simulated(draw: np.random.Generator, seeds: int, starts: int, shift: float, hardness: np.ndarray) -> np.ndarray:
    """Outcomes of one arm: a start's hardness, a seed's luck, and a coin for each."""
    luck = draw.normal(0, 0.7, size=(seeds, 1))
    return (draw.random((seeds, starts)) < 1 / (1 + np.exp(-(shift + luck + hardness)))).astype(float)


@pytest.mark.parametrize(
    ("first_seeds", "second_seeds", "starts", "paired"),
    [(2, 2, 200, True), (3, 3, 100, True), (3, 5, 50, False), (10, 10, 50, True)],
)
def test_it_covers_the_difference_that_new_seeds_and_new_starts_would_show(
    first_seeds: int, second_seeds: int, starts: int, paired: bool
) -> None:
    draw = np.random.default_rng(3)
    many = draw.normal(0, math.hypot(1.5, 0.7), size=1_000_000)
    truth = float(np.mean(1 / (1 + np.exp(-(0.5 + many))))) - 0.5
    trials, hits = 1500, 0
    for _ in range(trials):
        hardness = draw.normal(0, 1.5, size=starts)
        first = simulated(draw, first_seeds, starts, 0.0, hardness)
        second = simulated(draw, second_seeds, starts, 0.5, hardness)
        interval = crossed_difference(first, second, paired=paired).interval()
        hits += interval.low <= truth <= interval.high
    assert hits / trials > 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)
    assert hits / trials < 0.99  # no wider than it must be


def test_the_mean_over_seeds_has_the_sample_deviation_and_students_interval() -> None:
    summary = summarize_seeds([0.1, 0.2, 0.6])
    assert math.isclose(summary.mean, 0.3)
    assert summary.deviation is not None
    assert math.isclose(summary.deviation, math.sqrt(0.07))  # (0.04 + 0.01 + 0.09) / 2
    assert summary.interval is not None
    assert math.isclose(summary.interval.high - 0.3, 4.302652729749 * math.sqrt(0.07 / 3), rel_tol=1e-9)


def test_one_seed_has_a_mean_and_nothing_more() -> None:
    summary = summarize_seeds([0.5])
    assert (summary.mean, summary.deviation, summary.interval) == (0.5, None, None)


def test_column_mean_interval_of_one_column_is_students_interval() -> None:
    rates = [0.3, 0.5, 0.6]
    expected, interval = summarize_seeds(rates).interval, column_mean_interval([rates])
    assert expected is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_column_mean_interval_adds_variances_with_satterthwaites_degrees() -> None:
    """Variances of the columns' means 0.01 / 3 and 0.04 / 3: 2 (1 + 4)^2 / (1 + 16) = 2.9 degrees, rounded down."""
    interval = column_mean_interval([[0.1, 0.2, 0.3], [0.2, 0.4, 0.6]])
    half = t_quantile(2) * math.sqrt(0.05 / 3) / 2
    assert (interval.low, interval.high) == pytest.approx((0.3 - half, 0.3 + half))


@pytest.mark.parametrize("columns", range(1, 20))
def test_column_mean_interval_does_not_lose_a_degree_to_rounding(columns: int) -> None:
    """Equal variances give whole degrees of freedom, here two for each column."""
    interval = column_mean_interval([[0.1, 0.2, 0.3]] * columns)
    assert interval.high - 0.2 == pytest.approx(t_quantile(2 * columns) * math.sqrt(0.01 / 3 / columns))
