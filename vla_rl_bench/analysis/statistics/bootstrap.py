"""Bootstrap intervals: seeded, and vectorised over replicates.  Rates and scores are in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, Interval, t_quantile
from vla_rl_bench.seeding import generator

REPLICATES = 10_000  # two seeds' limits then differ by about 1% of the interval's width
FEW = 10  # ours: from about ten discordant starts on, the plain bootstrap covers as often as it says
Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Scores ``[..., any]`` -> one number for each leading index."""


def paired_bootstrap(
    strata: Sequence[Sequence[float]],
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """The interval of a mean difference between two arms, from their gaps on each start.

    strata: for each column its gaps, one a start, in [-1, 1]: the rate of one arm minus that of the other.  The
    difference is the plain mean of the columns' means.  Starts are drawn with replacement within their column, and a
    start brings all its seeds and rollouts along, so that starts are the clusters.

    The percentiles are those that make up for the bootstrap's being too narrow with few starts ("expanded percentile":
    Hesterberg 2015, The American Statistician 69:371-386).
    """
    draw = generator("paired-bootstrap", seed)
    steady = [steadied(gaps) for gaps in strata]
    means = np.mean([_resampled_means(gaps, draw, replicates) for gaps in steady], axis=0)
    degrees = sum(len(gaps) - 1 for gaps in steady)
    reach = t_quantile(degrees, confidence) * math.sqrt((degrees + len(steady)) / degrees)
    return _percentiles(means, 2 * NormalDist().cdf(reach) - 1)


def steadied(gaps: Sequence[float] | Array) -> Array:
    """The gaps, with two starts more, one won by each arm, where fewer than `FEW` starts tell the arms apart.

    Bonett and Price 2012 (J. Educ. Behav. Stat. 37:479-488) add as much to the discordant cells of McNemar's table.
    Without it arms that never differed, or always did, would get an interval of width zero.
    """
    values = np.asarray(gaps, dtype=np.float64)
    agree = np.count_nonzero(np.abs(values) > 1e-12) < FEW or np.ptp(values) < 1e-12
    return np.concatenate([values, [-1.0, 1.0]]) if agree else values


def _resampled_means(values: Array, draw: np.random.Generator, replicates: int) -> Array:
    """Means of samples with replacement ``[replicates]``; drawn as counts of the distinct values, which is the same."""
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    total = int(counts.sum())
    return np.asarray(draw.multinomial(total, counts / total, size=replicates) @ distinct / total)


def interquartile_mean(scores: Array) -> Array:
    """The mean over the last axis without its lowest and highest quarter: ``[..., n] -> [...]``.

    A quarter is rounded down, as in rliable (Agarwal et al. 2021, arXiv 2108.13264).  It moves less than
    the median when runs are few, and outliers do not carry it as they carry the mean.
    """
    cut = scores.shape[-1] // 4
    return np.asarray(np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(axis=-1))


def stratified_bootstrap(
    strata: Sequence[Array],
    statistic: Statistic = interquartile_mean,
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """The percentile interval of a statistic of all scores, seeds drawn with replacement within each stratum.

    strata: a column's scores ``[seeds, tasks]``.  One policy plays all tasks of a column, so they are drawn together;
    with one task a stratum this is rliable's stratified bootstrap.
    """
    return _percentiles(statistic(_draws(strata, replicates, generator("stratified", seed))), confidence)


def stratified_difference(
    first: Sequence[Array],
    second: Sequence[Array],
    *,
    paired: bool,
    statistic: Statistic = interquartile_mean,
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """As `stratified_bootstrap`, for the statistic of the second minus that of the first.

    paired: row i of both is the same seed, so both are drawn alike; otherwise they are drawn apart.
    """
    sides = [
        statistic(_draws(side, replicates, generator("stratified", seed, 0 if paired else number)))
        for number, side in enumerate((first, second))
    ]
    return _percentiles(sides[1] - sides[0], confidence)


def _draws(strata: Sequence[Array], replicates: int, draw: np.random.Generator) -> Array:
    """Resampled scores ``[replicates, all scores]``."""
    drawn = []
    for scores in strata:
        seeds = draw.integers(len(scores), size=(replicates, len(scores)))
        drawn.append(scores[seeds].reshape(replicates, -1))
    return np.concatenate(drawn, axis=1)


def _percentiles(values: Array, confidence: float) -> Interval:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))
