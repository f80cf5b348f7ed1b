"""Success rates, their intervals and their texts; `docs/reference/statistics.md` describes the methods.

Rates are in [0, 1].  Counts are kept, rates are derived, and a rate is rounded once, when it is printed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

CONFIDENCE = 0.95

Cluster = tuple[int, int]
"""Successes and episodes of one start."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, ``low <= high``."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def clip(self, low: float, high: float) -> Interval:
        """Limit both ends to ``[low, high]``."""
        return Interval(max(low, self.low), min(high, self.high))


@dataclass(frozen=True, slots=True)
class Clustered:
    """A rate from episodes that come in clusters."""

    successes: int
    n: int
    design_effect: float  # variance over the variance of independent episodes, at least 1
    interval: Interval  # Wilson's at n / design_effect episodes


# -- texts


def round_half_up(value: Fraction, places: int = 1) -> Fraction:
    """Round the exact value to `places` decimals, halves away from zero (99.05 -> 99.1, -8.05 -> -8.1)."""
    scale = 10**places
    magnitude = Fraction(math.floor(abs(value) * scale + Fraction(1, 2)), scale)
    return magnitude if value >= 0 else -magnitude


def decimal_text(value: Fraction, places: int = 1) -> str:
    """``Fraction(1981, 20) -> "99.1"``; a value that rounds to zero has no sign."""
    return f"{float(round_half_up(value, places)) + 0.0:.{places}f}"


def percent_text(successes: int, n: int, places: int = 1) -> str:
    """The rate in percent, rounded half up on the exact ratio: ``percent_text(1981, 2000) == "99.1"``."""
    return decimal_text(Fraction(100 * successes, n), places)


def points_text(rate: Fraction | float, places: int = 1, *, signed: bool = False) -> str:
    """``0.123 -> "12.3"``; signed ``"+12.3"``.  A float is rounded as the ratio of counts nearest to it."""
    exact = rate if isinstance(rate, Fraction) else Fraction(rate).limit_denominator(1_000_000)
    text = decimal_text(100 * exact, places)
    return f"+{text}" if signed and round_half_up(100 * exact, places) > 0 else text


def interval_text(interval: Interval, *, signed: bool = False) -> str:
    """``"[35.0, 42.8]"`` in percent; signed ``"[-1.0, +3.5]"`` in points."""
    return f"[{points_text(interval.low, signed=signed)}, {points_text(interval.high, signed=signed)}]"


# -- quantiles


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile: 1.96 at 95%."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def t_quantile(degrees: float, confidence: float = CONFIDENCE) -> float:
    """Student's two-sided quantile: 2.776 at 95% and 4 degrees of freedom."""
    from scipy.special import stdtrit  # what `scipy.stats.t.ppf` calls, in a quarter of its import time

    return float(stdtrit(degrees, (1 + confidence) / 2))


# -- one rate


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a rate (Wilson 1927; method 3 of Newcombe 1998, Stat. Med. 17:857-872).

    `successes` and `n` need not be whole: an effective sample size is a fraction.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"no rate in {successes} of {n}")
    z = normal_quantile(confidence)
    center = (successes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(successes * (n - successes) / n + z * z / 4)
    low = 0.0 if successes == 0 else max(0.0, center - half)
    high = 1.0 if successes == n else min(1.0, center + half)
    return Interval(low, high)


def design_effect(clusters: Sequence[Cluster]) -> float:
    """The variance of the pooled rate over that of as many independent episodes; at least 1.

    With m clusters of ``k_i`` successes in ``n_i`` episodes, ``N = sum n_i``, ``p = sum k_i / N``: the ratio
    estimator's variance ``m / (m-1) * sum (k_i - p n_i)^2 / N^2`` (Cochran 1977, section 9A.2; Rao and Scott 1992)
    over ``p (1-p) / (N-1)``.  It is exactly 1 when every cluster has one episode.  If all episodes agree or there is
    only one cluster, the data do not determine it, and clusters count as single episodes: ``N / m``.
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

    With one episode per cluster this is the plain Wilson interval; it is never narrower than that.
    """
    sized = [(k, n) for k, n in clusters if n]
    if not sized:
        raise ValueError("no episodes")
    successes, total = sum(k for k, _ in sized), sum(n for _, n in sized)
    effect = design_effect(sized)
    return Clustered(successes, total, effect, wilson(successes / effect, total / effect, confidence))


# -- independent rates together


def mover_interval(terms: Iterable[tuple[float, float, Interval]]) -> Interval:
    """The interval of a weighted sum of independent quantities; terms are (weight, estimate, interval).

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
    """The first rate minus the second, independent episodes: Newcombe's hybrid score interval, method 10."""
    return mover_interval(
        (weight, k / n, wilson(k, n, confidence)) for weight, (k, n) in ((1.0, first), (-1.0, second))
    )


def clustered_newcombe(first: Clustered, second: Clustered) -> Interval:
    """The first pooled rate minus the second, independent clusters: Newcombe's method 10 on their intervals."""
    return mover_interval(
        (weight, side.successes / side.n, side.interval) for weight, side in ((1.0, first), (-1.0, second))
    )
