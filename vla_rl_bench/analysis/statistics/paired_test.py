"""McNemar's test, and its generalization to several episodes per start.  Exact, by counting.

Only starts on which two arms differ are evidence.  If neither arm is better, each such start might as well have gone
the other way; the tests count how many of those outcomes give a difference as large as the measured one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.intervals import Cluster


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two-sided p-values, and the numbers of starts on which either arm did better."""

    first: int  # starts on which the first arm did better
    second: int
    exact: float  # never rejects too often, and on few starts too seldom
    # counts half of the outcomes exactly as extreme as the measured one (Lancaster 1961); recommended by Fagerland,
    # Lydersen and Laake 2013 (BMC Med. Res. Methodol. 13:91)
    mid_p: float


def sign_flip_test(differences: Iterable[int]) -> PairedTest:
    """The exact test of a sum of differences, second arm minus first on each start, under all flips of their signs.

    Each start is one cluster: several seeds or rollouts on it count as one piece of evidence.  The statistic is that of
    the clustered McNemar tests (Obuchowski 1998; Durkalski et al. 2003), with all 2^m flips in place of a limiting
    distribution.  With differences of -1, 0 and 1 this is McNemar's exact test (1947).  No library has it in polynomial
    time: `scipy.stats.permutation_test` lists the 2^m flips or samples them.
    """
    discordant = [difference for difference in differences if difference]
    if not discordant:
        return PairedTest(0, 0, 1.0, 1.0)
    scale = gcd(*discordant)
    sizes = Counter(abs(difference) // scale for difference in discordant)
    chances = np.ones(1)
    for size, count in sorted(sizes.items()):
        chances = np.convolve(chances, _steps(count, size))
    reach = sum(size * count for size, count in sizes.items())
    distance = np.abs(2 * np.arange(reach + 1) - reach)  # of the sum of flipped differences, from zero
    measured = abs(sum(discordant)) // scale
    beyond, equal = float(chances[distance > measured].sum()), float(chances[distance == measured].sum())
    better = sum(difference > 0 for difference in discordant)
    return PairedTest(len(discordant) - better, better, min(1.0, beyond + equal), min(1.0, beyond + equal / 2))


def integer_differences(first: Sequence[Cluster], second: Sequence[Cluster]) -> list[int]:
    """Rate of the second minus rate of the first on each start, in the largest unit that makes all of them integers."""
    unit = lcm(*(n for _, n in (*first, *second)))
    return [int((Fraction(k2, n2) - Fraction(k1, n1)) * unit) for (k1, n1), (k2, n2) in zip(first, second, strict=True)]


def _steps(count: int, size: int) -> NDArray[np.float64]:
    """The binomial distribution of `count` fair coins, each worth `size`: index ``size * heads``."""
    heads = np.arange(1, count + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(count + 1 - heads) - np.log(heads))]) - count * np.log(2)
    chances = np.zeros(count * size + 1)
    chances[::size] = np.exp(logs)
    return chances
