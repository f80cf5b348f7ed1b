"""McNemar's test and what it becomes when a start is played more than once.  Exact, by counting.

Only starts on which two arms differ can tell them apart.  If neither is better, each such start might as well have gone
the other way; the tests count how many of those ways give a difference as large as the one that was seen.
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
    """Two-sided p-values.

    first, second: starts on which the first, or the second, did better; the others say nothing.
    exact: never rejects too often, and on few starts too seldom.
    mid_p: counts half of what is exactly as extreme as what was seen (Lancaster 1961); what Fagerland, Lydersen and
        Laake 2013 (BMC Med. Res. Methodol. 13:91) recommend.
    """

    first: int
    second: int
    exact: float
    mid_p: float

    @property
    def discordant(self) -> int:
        return self.first + self.second


def mcnemar(first: int, second: int) -> PairedTest:
    """McNemar 1947 with one episode a start.  first, second: starts on which only that arm succeeded."""
    return sign_flips([-1] * first + [1] * second)


def sign_flips(gaps: Iterable[int]) -> PairedTest:
    """The exact test of a sum of gaps, the second arm minus the first on each start, under all flips of their signs.

    Each start is one cluster, so that several seeds or rollouts on it count as one piece of evidence; the statistic is
    the one of the clustered McNemar tests (Obuchowski 1998; Durkalski et al. 2003), its distribution all 2^m flips and
    not a limit.  With gaps of -1, 0 and 1 this is McNemar's exact test.
    """
    told = [gap for gap in gaps if gap]
    if not told:
        return PairedTest(0, 0, 1.0, 1.0)
    scale = gcd(*told)
    sizes = Counter(abs(gap) // scale for gap in told)
    chances = np.ones(1)
    for size, count in sorted(sizes.items()):
        chances = np.convolve(chances, _steps(count, size))
    reach = sum(size * count for size, count in sizes.items())
    distance = np.abs(2 * np.arange(reach + 1) - reach)  # of the sum of flipped gaps, from zero
    seen = abs(sum(told)) // scale
    beyond, equal = float(chances[distance > seen].sum()), float(chances[distance == seen].sum())
    better = sum(gap > 0 for gap in told)
    return PairedTest(len(told) - better, better, min(1.0, beyond + equal), min(1.0, beyond + equal / 2))


def whole_gaps(first: Sequence[Cluster], second: Sequence[Cluster]) -> list[int]:
    """Rate of the second minus rate of the first on each start, in the largest unit that makes all of them whole."""
    unit = lcm(*(n for _, n in (*first, *second)))
    return [int((Fraction(k2, n2) - Fraction(k1, n1)) * unit) for (k1, n1), (k2, n2) in zip(first, second, strict=True)]


def _steps(count: int, size: int) -> NDArray[np.float64]:
    """The binomial distribution of `count` fair coins, each worth `size`: index ``size * heads``."""
    heads = np.arange(1, count + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(count + 1 - heads) - np.log(heads))]) - count * np.log(2)
    chances = np.zeros(count * size + 1)
    chances[::size] = np.exp(logs)
    return chances
