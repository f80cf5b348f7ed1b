"""A difference between recipes: how far it would move with other training seeds and with other starts.

Every seed's policy plays the same starts, so that seeds and starts are crossed, and both are samples of what might have
been.  Rates are in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.bootstrap import steadied
from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, Interval, normal_quantile, t_quantile

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parts:
    """The variance of a mean over ``[seeds, starts]``, in its parts.

    seeds, starts: the variance of the seeds' means over their number, and of the starts' over theirs; both hold
    `residual`, what neither explains, once.
    """

    seeds: float
    starts: float
    residual: float
    n_seeds: int
    n_starts: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference and its two variances.

    seeds: with `degrees` of freedom for Student's t.  starts: what the starts add to it, from so many that the normal
    quantile serves.
    """

    difference: float
    seeds: float
    starts: float
    degrees: float

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Cut at -1 and 1.

        Both half-widths, each with its own quantile, are squared and added, in the spirit of Cochran and Cox's
        test of two variances: one quantile for the sum covers too seldom when the seeds are two or three.
        """
        t = t_quantile(math.floor(max(1.0, min(self.degrees, 1e6))), confidence)
        half = math.sqrt(t**2 * self.seeds + normal_quantile(confidence) ** 2 * self.starts)
        return Interval(max(-1.0, self.difference - half), min(1.0, self.difference + half))


def parts(rates: Array) -> Parts:
    """Two-way analysis of variance of ``rates[seeds, starts]``, one value a cell, at least two of each."""
    seeds, starts = rates.shape
    by_seed, by_start = rates.mean(axis=1), rates.mean(axis=0)
    rest = rates - by_seed[:, None] - by_start[None, :] + rates.mean()
    residual = float((rest**2).sum()) / ((seeds - 1) * (starts - 1))
    return Parts(
        seeds=float(by_seed.var(ddof=1)) / seeds,
        starts=float(by_start.var(ddof=1)) / starts,
        residual=residual / (seeds * starts),
        n_seeds=seeds,
        n_starts=starts,
    )


def crossed_difference(first: Array, second: Array, *, paired: bool) -> Estimate:
    """The second recipe's mean rate minus the first's, over other seeds and other starts.

    first, second: rates ``[seeds, starts]`` on the same starts; at least two seeds each.
    paired: row i of both is the same seed.  Otherwise the seeds' variances add, as in Welch's test.

    The two parts of a two-way analysis of variance both hold the residual; it is taken out of the starts' part.
    """
    gap = float(second.mean() - first.mean())
    sides = [parts(second - first)] if paired else [parts(first), parts(second)]
    by_start = steadied(second.mean(axis=0) - first.mean(axis=0))
    starts = float(by_start.var(ddof=1)) / len(by_start) - sum(side.residual for side in sides)
    terms = [(side.seeds, float(side.n_seeds - 1)) for side in sides]
    return Estimate(gap, sum(side.seeds for side in sides), max(0.0, starts), satterthwaite(terms))


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The plain mean of independent differences, as of columns."""
    n = len(estimates)
    return Estimate(
        difference=sum(one.difference for one in estimates) / n,
        seeds=sum(one.seeds for one in estimates) / n**2,
        starts=sum(one.starts for one in estimates) / n**2,
        degrees=satterthwaite([(one.seeds, one.degrees) for one in estimates]),
    )


def satterthwaite(terms: Sequence[tuple[float, float]]) -> float:
    """The degrees of freedom of a sum of independent variances (1946): terms are (variance, its degrees)."""
    total = sum(variance for variance, _ in terms)
    spread = sum(variance**2 / degrees for variance, degrees in terms)
    return total**2 / spread if spread else math.inf
