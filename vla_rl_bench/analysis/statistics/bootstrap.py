"""The paired bootstrap over starts: seeded, and vectorized over replicates.  Rates are in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, Interval, t_quantile
from vla_rl_bench.seeding import generator

REPLICATES = 10_000  # the limits of two seeds then differ by about 1% of the interval's width
FEW = 10  # ours: from about ten discordant starts on, the plain bootstrap has its nominal coverage
Array = NDArray[np.float64]


def paired_bootstrap(
    strata: Sequence[Sequence[float] | Array],
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """The interval of a mean difference between two arms, from the difference of their rates on each start.

    Starts are sampled with replacement within their column, and a start brings all its seeds and rollouts along, so
    that starts are the clusters.  The percentiles correct for the bootstrap's being too narrow with few starts
    ("expanded percentile": Hesterberg 2015, The American Statistician 69:371-386).

    Args:
        strata: For each column its differences in [-1, 1], one per start.  The estimate is the plain mean of the
            columns' means.
    """
    rng = generator("paired-bootstrap", seed)
    steady = [add_pseudo_starts(differences) for differences in strata]
    means = np.mean([_resampled_means(differences, rng, replicates) for differences in steady], axis=0)
    degrees = sum(len(differences) - 1 for differences in steady)
    reach = t_quantile(degrees, confidence) * math.sqrt((degrees + len(steady)) / degrees)
    expanded = 2 * NormalDist().cdf(reach) - 1
    low, high = np.quantile(means, [(1 - expanded) / 2, (1 + expanded) / 2])
    return Interval(float(low), float(high))


def add_pseudo_starts(differences: Sequence[float] | Array) -> Array:
    """Add two starts, one won by each arm, if the arms differ on fewer than `FEW` starts.

    Bonett and Price 2012 (J. Educ. Behav. Stat. 37:479-488) add as much to the discordant cells of McNemar's table.
    Without it arms that never differ, or always do, would get an interval of width zero.
    """
    values = np.asarray(differences, dtype=np.float64)
    agree = np.count_nonzero(np.abs(values) > 1e-12) < FEW or np.ptp(values) < 1e-12
    return np.concatenate([values, [-1.0, 1.0]]) if agree else values


def _resampled_means(values: Array, rng: np.random.Generator, replicates: int) -> Array:
    """Means of samples with replacement ``[replicates]``, sampled as counts of the distinct values."""
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    total = int(counts.sum())
    return np.asarray(rng.multinomial(total, counts / total, size=replicates) @ distinct / total)
