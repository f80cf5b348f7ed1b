"""Success rates and how sure they are.  Standard library only; `docs/reference/statistics.md` has it in words.

Rates are in [0, 1].  Counts are kept, rates are derived, and a rate is rounded once, where it is printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist, mean, stdev
from typing import Any

CONFIDENCE = 0.95

Cluster = tuple[int, int]
"""What one start gave: successes, episodes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, ``low <= high``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Clustered:
    """A rate from episodes that come in clusters.

    design_effect: how many times the variance is that of independent episodes, at least 1.
    interval: Wilson's at ``n / design_effect`` episodes.
    """

    successes: int
    n: int
    design_effect: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """The mean over seeds.  deviation: the sample one (n-1); interval: Student's t; both None for a single seed."""

    mean: float
    deviation: float | None
    interval: Interval | None
    seeds: int


def half_up(value: Fraction, places: int = 1) -> Fraction:
    """Rounds the exact value to `places` decimals, halves away from zero (99.05 -> 99.1, -8.05 -> -8.1)."""
    scale = 10**places
    magnitude = Fraction(math.floor(abs(value) * scale + Fraction(1, 2)), scale)
    return magnitude if value >= 0 else -magnitude


def decimal(value: Fraction, places: int = 1) -> str:
    """``Fraction(1981, 20) -> "99.1"``; a value that rounds to zero has no sign."""
    return f"{float(half_up(value, places)) + 0.0:.{places}f}"


def percent(successes: int, n: int, places: int = 1) -> str:
    """The rate in percent, rounded half up on the exact ratio: ``percent(1981, 2000) == "99.1"``."""
    return decimal(Fraction(100 * successes, n), places)


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile: 1.96 at 95%."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a rate (Wilson 1927; method 3 of Newcombe 1998, Stat. Med. 17:857-872).

    `successes` and `n` need not be whole: an effective sample size is a fraction.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"no rate in {successes} of {n}")
    z = normal_quantile(confidence)
    centre = (successes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(successes * (n - successes) / n + z * z / 4)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def design_effect(clusters: Sequence[Cluster]) -> float:
    """How many times the variance of the pooled rate is that of as many independent episodes; at least 1.

    With m clusters of ``k_i`` successes in ``n_i`` episodes, ``N = sum n_i``, ``p = sum k_i / N``: the ratio
    estimator's variance ``m / (m-1) * sum (k_i - p n_i)^2 / N^2`` (Cochran 1977, section 9A.2; Rao and Scott 1992)
    over ``p (1-p) / (N-1)``.  It is exactly 1 when every cluster has one episode.  Where the data cannot tell, since
    all episodes agree or there is only one cluster, clusters count as single episodes: ``N / m``.
    """
    m, total = len(clusters), sum(n for _, n in clusters)
    successes = sum(k for k, _ in clusters)
    if m == 1 or successes in (0, total):
        return total / m
    rate = successes / total
    variance = m / (m - 1) * sum((k - rate * n) ** 2 for k, n in clusters) / total**2
    return max(1.0, variance * (total - 1) / (rate * (1 - rate)))


def clustered(clusters: Iterable[Cluster], confidence: float = CONFIDENCE) -> Clustered:
    """The pooled rate of clusters of episodes, with Wilson's interval at the effective number of episodes.

    With one episode a cluster this is the plain Wilson interval; it is never narrower than that.
    """
    sized = [(k, n) for k, n in clusters if n]
    if not sized:
        raise ValueError("no episodes")
    successes, total = sum(k for k, _ in sized), sum(n for _, n in sized)
    effect = design_effect(sized)
    return Clustered(successes, total, effect, wilson(successes / effect, total / effect, confidence))


def square_and_add(terms: Iterable[tuple[float, float, Interval]]) -> Interval:
    """The interval of a weighted sum of independent quantities: terms are (weight, estimate, interval).

    Squares and adds the distances from each estimate to its limit (Newcombe 1998, Stat. Med. 17:873-890, method 10,
    for weights 1 and -1; Zou and Donner 2008 for any: "MOVER").
    """
    estimate = below = above = 0.0
    for weight, value, interval in terms:
        ends = sorted((weight * interval.low, weight * interval.high))
        estimate += weight * value
        below += (weight * value - ends[0]) ** 2
        above += (ends[1] - weight * value) ** 2
    return Interval(estimate - math.sqrt(below), estimate + math.sqrt(above))


def newcombe(first: Cluster, second: Cluster, confidence: float = CONFIDENCE) -> Interval:
    """The interval of the first rate minus the second, independent samples: Newcombe's hybrid score, method 10."""
    return square_and_add(
        (weight, k / n, wilson(k, n, confidence)) for weight, (k, n) in ((1.0, first), (-1.0, second))
    )


def difference(first: Sequence[Cluster], second: Sequence[Cluster], confidence: float = CONFIDENCE) -> Interval:
    """The first pooled rate minus the second, independent clusters: Newcombe's method 10 on clustered Wilson limits."""
    sides = ((1.0, clustered(first, confidence)), (-1.0, clustered(second, confidence)))
    return square_and_add((weight, side.successes / side.n, side.interval) for weight, side in sides)


def paired_difference(
    first: Mapping[Any, Cluster], second: Mapping[Any, Cluster], confidence: float = CONFIDENCE
) -> Interval:
    """The first pooled rate minus the second, where both arms were tried on the same starts.

    The clusters are the starts (the mappings' keys).  When both arms have the same number of episodes on each start,
    start i moves the difference by ``e_i = (k1_i - p1 n_i) - (k2_i - p2 n_i)``; the standard error is the clustered
    one of the ratio estimator, ``sqrt(m / (m-1) * sum e_i^2) / N``, and the quantile is Student's with m-1 degrees.
    With equal numbers on all starts this is the paired t interval of the per-start differences.

    Falls back to `difference`, which is wider, where pairing says nothing: other starts or numbers of episodes,
    fewer than two starts, or per-start differences that all agree.
    """
    matched = first.keys() == second.keys() and all(first[key][1] == second[key][1] for key in first)
    if not matched or len(first) < 2:
        return difference(list(first.values()), list(second.values()), confidence)
    m, total = len(first), sum(n for _, n in first.values())
    gaps = [(first[key][0] - second[key][0], first[key][1]) for key in first]
    gap = Fraction(sum(k for k, _ in gaps), total)
    residual = sum((k - gap * n) ** 2 for k, n in gaps)
    if residual == 0:
        return difference(list(first.values()), list(second.values()), confidence)
    half = t_quantile(m - 1, confidence) * math.sqrt(m / (m - 1) * float(residual)) / total
    return Interval(max(-1.0, float(gap) - half), min(1.0, float(gap) + half))


def over_seeds(rates: Sequence[float], confidence: float = CONFIDENCE) -> SeedSummary:
    """The mean of one rate a seed, with the sample deviation and Student's t interval (not cut at 0 and 1)."""
    centre = mean(rates)
    if len(rates) < 2:
        return SeedSummary(centre, None, None, len(rates))
    deviation = stdev(rates)
    half = t_quantile(len(rates) - 1, confidence) * deviation / math.sqrt(len(rates))
    return SeedSummary(centre, deviation, Interval(centre - half, centre + half), len(rates))


def average_over_seeds(columns: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Interval:
    """The mean of the columns' means over seeds: columns are trained apart, so their variances add.

    columns: one rate a seed, at least two, for each column.  Degrees of freedom after Satterthwaite (1946), rounded
    down; with one column this is `over_seeds`.
    """
    n = len(columns)
    centre = sum(mean(rates) for rates in columns) / n
    terms = [(stdev(rates) ** 2 / len(rates), len(rates) - 1) for rates in columns]
    total, spread = sum(v for v, _ in terms), sum(v**2 / degrees for v, degrees in terms)
    if not spread:
        return Interval(centre, centre)
    degrees = math.floor(total**2 / spread + 1e-9)  # of equal variances it is whole, and may come out a hair below
    half = t_quantile(degrees, confidence) * math.sqrt(total) / n
    return Interval(centre - half, centre + half)


@lru_cache(maxsize=1024)
def t_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Student's two-sided quantile: 2.776 at 95% and 4 degrees of freedom."""
    if degrees < 1:
        raise ValueError("Student's t needs at least 1 degree of freedom")
    if degrees > 100_000:  # equal to the normal one to 5 digits
        return normal_quantile(confidence)
    angle = _bisect(lambda theta: _t_probability(theta, degrees) - confidence, 0.0, math.pi / 2)
    return math.sqrt(degrees) * math.tan(angle)


def _t_probability(theta: float, degrees: int) -> float:
    """``P(|T| < t)`` for ``theta = atan(t / sqrt(degrees))``: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    odd = degrees % 2
    term = math.cos(theta) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for j in range(2 + odd, degrees - 1, 2):
        term *= (j - 1) / j * math.cos(theta) ** 2
        total += term
    return 2 / math.pi * (theta + math.sin(theta) * total) if odd else math.sin(theta) * total


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of an increasing function, to the last bits."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return (low + high) / 2
