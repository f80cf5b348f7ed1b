from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.analysis.statistics.paired_test import PairedTest, integer_differences, sign_flip_test


def mcnemar(first: int, second: int) -> PairedTest:
    """McNemar's test with one episode per start: starts on which only that arm succeeded."""
    return sign_flip_test([-1] * first + [1] * second)


def enumerated(gaps: list[int]) -> tuple[Fraction, Fraction]:
    """Exact and mid-p, by trying every flip of every sign."""
    seen = abs(sum(gaps))
    sums = [abs(sum(flip)) for flip in itertools.product(*((-gap, gap) for gap in gaps))]
    beyond, equal = sum(one > seen for one in sums), sum(one == seen for one in sums)
    return Fraction(beyond + equal, len(sums)), Fraction(2 * beyond + equal, 2 * len(sums))


def binomial(first: int, second: int) -> Fraction:
    """Twice the smaller tail, at most 1: the textbook's exact McNemar test."""
    n, least = first + second, min(first, second)
    return min(Fraction(1), Fraction(2 * sum(math.comb(n, k) for k in range(least + 1)), 2**n))


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_exact_test_is_twice_the_smaller_binomial_tail(first: int, second: int) -> None:
    assert math.isclose(mcnemar(first, second).exact, float(binomial(first, second)), rel_tol=1e-9)


def test_the_mid_p_value_is_the_exact_one_less_the_chance_of_what_was_seen() -> None:
    """Fagerland, Lydersen and Laake 2013; on a tie, 1 less half of it."""
    assert math.isclose(mcnemar(1, 7).exact, 18 / 256)
    assert math.isclose(mcnemar(1, 7).mid_p, 10 / 256)
    assert math.isclose(mcnemar(2, 2).mid_p, 1 - 6 / 32)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9).filter(any))
def test_with_several_episodes_a_start_every_flip_is_counted(gaps: list[int]) -> None:
    exact, mid_p = enumerated([gap for gap in gaps if gap])
    found = sign_flip_test(gaps)
    assert math.isclose(found.exact, exact)
    assert math.isclose(found.mid_p, mid_p)
    assert (found.first, found.second) == (sum(gap < 0 for gap in gaps), sum(gap > 0 for gap in gaps))


def test_arms_that_never_differ_have_p_value_1() -> None:
    assert mcnemar(0, 0) == PairedTest(0, 0, 1.0, 1.0)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 5))
def test_the_unit_of_the_gaps_and_their_side_do_not_matter(gaps: list[int], unit: int) -> None:
    one, other = sign_flip_test(gaps), sign_flip_test([-unit * gap for gap in gaps])
    assert math.isclose(one.exact, other.exact, rel_tol=1e-12)
    assert (one.first, one.second) == (other.second, other.first)


def test_more_episodes_on_the_same_starts_are_no_more_evidence_when_they_all_agree() -> None:
    assert sign_flip_test([5] * 4 + [-5]) == mcnemar(1, 4)


def test_thousands_of_discordant_starts_are_counted_as_exactly() -> None:
    assert math.isclose(mcnemar(1000, 1100).exact, float(binomial(1000, 1100)), rel_tol=1e-8)


@pytest.mark.parametrize(
    ("first", "second", "gaps"),
    [([(1, 1), (0, 1)], [(0, 1), (1, 1)], [-1, 1]), ([(1, 2), (3, 3)], [(2, 3), (2, 2)], [1, 0])],
)
def test_gaps_of_rates_are_whole_in_a_common_unit(
    first: list[tuple[int, int]], second: list[tuple[int, int]], gaps: list[int]
) -> None:
    assert integer_differences(first, second) == gaps
