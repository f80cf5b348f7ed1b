"""Intervals that hold for other training seeds.  Rates are in [0, 1].

Every seed's policy plays the same starts, so seeds and starts are crossed, and both are samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.bootstrap import add_pseudo_starts
from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, Interval, normal_quantile, t_quantile

Array = NDArray[np.float64]


# -- the mean of one rate per seed


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """The mean over seeds; deviation and interval are None for a single seed."""

    mean: float
    deviation: float | None  # of the sample (n-1)
    interval: Interval | None  # Student's t
    seeds: int


def summarize_seeds(rates: Sequence[float], confidence: float = CONFIDENCE) -> SeedSummary:
    """The mean of one rate per seed, with the sample deviation and Student's t interval (not cut at 0 and 1)."""
    if len(rates) < 2:
        return SeedSummary(mean(rates), None, None, len(rates))
    return SeedSummary(mean(rates), stdev(rates), column_mean_interval([rates], confidence), len(rates))


def column_mean_interval(columns: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Interval:
    """The mean of the columns' means over seeds: columns are trained apart, so their variances add.

    Args:
        columns: One rate per seed, at least two, for each column.
    """
    n = len(columns)
    center = sum(mean(rates) for rates in columns) / n
    terms = [(stdev(rates) ** 2 / len(rates), len(rates) - 1.0) for rates in columns]
    half = _student(satterthwaite(terms), confidence) * math.sqrt(sum(variance for variance, _ in terms)) / n
    return Interval(center - half, center + half)


# -- a difference between recipes


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """The variance of a mean over ``[seeds, starts]``, in its parts."""

    seeds: float  # variance of the seeds' means over their number; holds `residual` once
    starts: float  # variance of the starts' means over their number; holds `residual` once
    residual: float  # explained by neither
    n_seeds: int
    n_starts: int


@dataclass(frozen=True, slots=True)
class SeededDifference:
    """A difference of recipes and its two variances."""

    difference: float
    seeds: float  # has `degrees` of freedom for Student's t
    starts: float  # added by the starts, of which there are enough for the normal quantile
    degrees: float

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Cut at -1 and 1.

        Both half-widths, each with its own quantile, are squared and added, in the spirit of Cochran and Cox's
        test of two variances: one quantile for the sum covers too seldom with two or three seeds.
        """
        t = _student(self.degrees, confidence)
        half = math.sqrt(t**2 * self.seeds + normal_quantile(confidence) ** 2 * self.starts)
        return Interval(self.difference - half, self.difference + half).clip(-1.0, 1.0)


def variance_components(rates: Array) -> VarianceComponents:
    """Two-way analysis of variance of ``rates[seeds, starts]``, one value per cell, at least two of each."""
    seeds, starts = rates.shape
    by_seed, by_start = rates.mean(axis=1), rates.mean(axis=0)
    rest = rates - by_seed[:, None] - by_start[None, :] + rates.mean()
    residual = float((rest**2).sum()) / ((seeds - 1) * (starts - 1))
    return VarianceComponents(
        seeds=float(by_seed.var(ddof=1)) / seeds,
        starts=float(by_start.var(ddof=1)) / starts,
        residual=residual / (seeds * starts),
        n_seeds=seeds,
        n_starts=starts,
    )


def crossed_difference(first: Array, second: Array, *, paired: bool) -> SeededDifference:
    """The second recipe's mean rate minus the first's, over other seeds and other starts.

    The two parts of a two-way analysis of variance both hold the residual; it is taken out of the starts' part.

    Args:
        first: Rates ``[seeds, starts]``, at least two seeds.
        second: Rates on the same starts, at least two seeds.
        paired: Row i of both is the same seed.  Otherwise the seeds' variances add, as in Welch's test.
    """
    difference = float(second.mean() - first.mean())
    sides = (
        [variance_components(second - first)] if paired else [variance_components(first), variance_components(second)]
    )
    by_start = add_pseudo_starts(second.mean(axis=0) - first.mean(axis=0))
    starts = float(by_start.var(ddof=1)) / len(by_start) - sum(side.residual for side in sides)
    terms = [(side.seeds, side.n_seeds - 1.0) for side in sides]
    return SeededDifference(difference, sum(side.seeds for side in sides), max(0.0, starts), satterthwaite(terms))


def average(differences: Sequence[SeededDifference]) -> SeededDifference:
    """The plain mean of independent differences, as of columns."""
    n = len(differences)
    return SeededDifference(
        difference=sum(column.difference for column in differences) / n,
        seeds=sum(column.seeds for column in differences) / n**2,
        starts=sum(column.starts for column in differences) / n**2,
        degrees=satterthwaite([(column.seeds, column.degrees) for column in differences]),
    )


def satterthwaite(terms: Sequence[tuple[float, float]]) -> float:
    """The degrees of freedom of a sum of independent variances (1946); terms are (variance, its degrees)."""
    total = sum(variance for variance, _ in terms)
    spread = sum(variance**2 / degrees for variance, degrees in terms)
    return total**2 / spread if spread else math.inf


def _student(degrees: float, confidence: float) -> float:
    """Student's quantile at the degrees rounded down; equal variances give whole degrees up to rounding errors."""
    return t_quantile(math.floor(max(1.0, min(degrees, 1e6)) + 1e-9), confidence)
