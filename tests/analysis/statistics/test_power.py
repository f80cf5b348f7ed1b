from __future__ import annotations

import math

import numpy as np
import pytest

from vla_rl_bench.analysis.statistics.comparison import StartCounts
from vla_rl_bench.analysis.statistics.over_seeds import crossed_difference
from vla_rl_bench.analysis.statistics.paired_test import sign_flip_test
from vla_rl_bench.analysis.statistics.power import (
    Design,
    at_rates,
    correlation,
    design_from_results,
    discordance_bounds,
    power,
    seeds_needed,
    starts_needed,
)


def test_the_starts_are_those_of_the_closed_form() -> None:
    """Connor 1987: (1.96 sqrt(psi) + 0.8416 sqrt(psi - d^2))^2 / d^2, but for the other tail's share."""
    design = Design(0.6, 0.7)
    assert design.discordant == pytest.approx(0.6 * 0.3 + 0.7 * 0.4)
    needed = (1.959964 * math.sqrt(0.46) + 0.841621 * math.sqrt(0.45)) ** 2 / 0.01
    assert starts_needed(design) == math.ceil(needed)


def test_what_is_needed_is_enough_and_one_less_is_not() -> None:
    design = Design(0.5, 0.62, 0.3, seed_deviation=0.05, shared=0.5)
    starts, seeds = starts_needed(design, seeds=5), seeds_needed(design, starts=100)
    assert starts is not None
    assert seeds is not None
    assert power(design, starts, 5) >= 0.8 > power(design, starts - 1, 5)
    assert power(design, 100, seeds) >= 0.8 > power(design, 100, seeds - 1)


@pytest.mark.parametrize(("design", "starts"), [(Design(0.6, 0.7), 359), (Design(0.6, 0.65, 0.1), 250)])
def test_with_one_seed_mcnemars_test_rejects_as_often_as_foretold(design: Design, starts: int) -> None:
    trials, draw = 3000, np.random.default_rng(0)
    first_only = (design.discordant - design.difference) / 2
    second_only = first_only + design.difference
    drawn = draw.multinomial(starts, [first_only, 1 - design.discordant, second_only], size=trials)
    rejected = np.mean([sign_flip_test([-1] * int(a) + [1] * int(b)).mid_p < 0.05 for a, _, b in drawn])
    assert rejected == pytest.approx(power(design, starts), abs=0.03)


@pytest.mark.parametrize(
    ("design", "seeds", "starts"),
    [
        (Design(0.4, 0.5, 0.35, 0.06, 0.5), 5, 100),
        (Design(0.4, 0.5, 0.35, 0.06, 1.0), 3, 200),
        (Design(0.4, 0.5, 0.35, 0.0, 0.0), 5, 50),
    ],
)
def test_with_several_seeds_the_interval_leaves_zero_out_as_often_as_foretold(
    design: Design, seeds: int, starts: int
) -> None:
    trials, draw, told = 3000, np.random.default_rng(1), 0
    lasting, passing = design.shared * design.variance, (1 - design.shared) * design.variance
    for _ in range(trials):
        gaps = (
            design.difference
            + draw.normal(0, design.seed_deviation, size=(seeds, 1))
            + draw.normal(0, math.sqrt(lasting), size=(1, starts))
            + draw.normal(0, math.sqrt(passing), size=(seeds, starts))
        )
        interval = crossed_difference(np.zeros_like(gaps), gaps, paired=True).interval()
        told += interval.low > 0 or interval.high < 0
    assert told / trials == pytest.approx(power(design, starts, seeds), abs=0.03)


def test_where_the_seed_moves_more_than_the_difference_no_number_of_starts_does() -> None:
    design = Design(0.6, 0.65, 0.2, seed_deviation=0.08)
    assert starts_needed(design, seeds=3) is None
    assert starts_needed(design, seeds=30) is not None
    assert seeds_needed(Design(0.6, 0.61, 0.2), starts=100) is None


def test_at_other_rates_the_correlation_stays_as_far_as_they_allow_it() -> None:
    seen = Design(0.5, 0.6, 0.2, seed_deviation=0.04, shared=0.3)
    other = at_rates(seen, 0.4, 0.5)
    assert correlation(other) == pytest.approx(correlation(seen))
    assert (other.seed_deviation, other.shared) == (0.04, 0.3)
    assert at_rates(seen, 0.05, 0.95).discordant == pytest.approx(0.9)  # nothing less would do
    assert correlation(Design(0.5, 0.6)) == pytest.approx(0.0)
    assert discordance_bounds(0.6, 0.7) == (pytest.approx(0.1), pytest.approx(0.7))


def arm(draw: np.random.Generator, rates: np.ndarray) -> StartCounts:
    seeds, starts = rates.shape
    return StartCounts(
        tuple(range(seeds)),
        tuple((0, start) for start in range(starts)),
        (draw.random(rates.shape) < rates).astype(np.int64),
        np.ones(rates.shape, dtype=np.int64),
    )


@pytest.mark.parametrize("paired", [True, False])
def test_two_measured_arms_give_back_what_they_were_drawn_with(paired: bool) -> None:
    """Many seeds, whose rates differ by a deviation of 0.1 in one arm, on starts half of which both find hard."""
    draw = np.random.default_rng(4)
    hard = np.where(np.arange(1000) % 2 == 0, -0.2, 0.2)
    first = arm(draw, np.broadcast_to(0.4 + hard, (60, 1000)))
    second = arm(draw, 0.5 + hard + draw.normal(0, 0.1, size=(60, 1)).clip(-0.29, 0.29))
    if not paired:
        second = StartCounts(tuple(range(60, 120)), second.starts, second.successes, second.episodes)
    found = design_from_results(first, second)
    assert found.first == pytest.approx(0.4, abs=0.01)
    assert found.second == pytest.approx(0.5, abs=0.04)
    expected = np.mean([0.2 * 0.7 + 0.3 * 0.8, 0.6 * 0.3 + 0.7 * 0.4])
    assert found.discordant == pytest.approx(expected, abs=0.02)
    assert found.seed_deviation == pytest.approx(0.1, rel=0.25)
    assert found.shared < 0.05 if paired else found.shared == 1.0
