"""How many starts and seeds it takes to see a difference.  Rates are in [0, 1]; tests are two-sided at 95%."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from vla_rl_bench.analysis.statistics.comparison import Array, Outcomes
from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, normal_quantile, t_quantile
from vla_rl_bench.analysis.statistics.over_seeds import parts

POWER = 0.8  # the usual one: Cohen 1988
MOST_STARTS, MOST_SEEDS = 1_000_000, 1_000
_POINTS = 2_000  # of the integral over what the seeds' deviation is estimated to be; 200 give the same to 4 digits


@dataclass(frozen=True, slots=True)
class Design:
    """What is known, or assumed, before an experiment.

    first, second: the arms' true rates.
    discordance: the share of starts on which one policy of each arm differ; None is what independent ones give, which
        is cautious, since arms mostly find the same starts hard.
    seed_deviation: how far the true difference moves with the seed, as a standard deviation.
    shared: of the variance between starts, the share that is the same whatever the seed.  1 is cautious: more seeds
        then cannot stand in for more starts.
    """

    first: float
    second: float
    discordance: float | None = None
    seed_deviation: float = 0.0
    shared: float = 1.0

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def discordant(self) -> float:
        if self.discordance is not None:
            return self.discordance
        return self.first * (1 - self.second) + self.second * (1 - self.first)

    @property
    def spread(self) -> float:
        """The variance of one start's gap."""
        return max(0.0, self.discordant - self.difference**2)


def correlation(design: Design) -> float:
    """The phi coefficient of the two arms' outcomes on a start; 0 where an arm always does the same."""
    both = design.first * (1 - design.first) * design.second * (1 - design.second)
    apart = replace(design, discordance=None).discordant
    return (apart - design.discordant) / (2 * math.sqrt(both)) if both else 0.0


def moved(design: Design, first: float, second: float) -> Design:
    """The same correlation, seeds and shares at other rates; the discordance is kept to what those rates allow."""
    other = replace(design, first=first, second=second, discordance=None)
    joint = 2 * correlation(design) * math.sqrt(first * (1 - first) * second * (1 - second))
    least, most = allowed(first, second)
    return replace(other, discordance=min(most, max(least, other.discordant - joint)))


def allowed(first: float, second: float) -> tuple[float, float]:
    """The least and the largest discordance that two rates can have."""
    return abs(second - first), min(first + second, 2 - first - second)


def observed(first: Outcomes, second: Outcomes) -> Design:
    """What two measured arms, on the same starts, say about the next experiment with arms like them."""
    paired = first.seeds == second.seeds
    one, other = (side.rates if paired else side.rates.mean(axis=0, keepdims=True) for side in (first, second))
    discordance = float((one * (1 - other) + other * (1 - one)).mean())
    plain = Design(float(first.rates.mean()), float(second.rates.mean()), discordance)
    if min(len(first.seeds), len(second.seeds), len(first.starts)) < 2:
        return plain
    sides = [parts(second.rates - first.rates)] if paired else [parts(first.rates), parts(second.rates)]
    between = sum(side.n_seeds * max(0.0, side.seeds - side.residual) for side in sides)
    both = parts(second.rates - first.rates) if paired else None
    if both is None:  # the starts' part of unpaired seeds is not told from the residual's: stay cautious
        return replace(plain, seed_deviation=math.sqrt(between))
    lasting = both.n_starts * max(0.0, both.starts - both.residual)
    total = lasting + both.n_seeds * both.n_starts * both.residual
    return replace(plain, seed_deviation=math.sqrt(between), shared=lasting / total if total else 1.0)


def power(design: Design, starts: int, seeds: int = 1, confidence: float = CONFIDENCE) -> float:
    """The chance that the arms are told apart.

    One seed: McNemar's test on the starts, about these two policies (Connor 1987, Biometrics 43:207-211).  More seeds:
    the interval of `crossed.crossed_difference` with paired seeds, about the recipes.
    """
    if seeds == 1:
        return _mcnemar_power(design, starts, confidence)
    between = design.seed_deviation**2 / seeds + (1 - design.shared) * design.spread / (seeds * starts)
    lasting = design.shared * design.spread / starts
    spread = math.sqrt(between + lasting)
    if spread == 0.0:
        return float(design.difference != 0)
    degrees = seeds - 1
    t, z = t_quantile(degrees, confidence), normal_quantile(confidence)
    ratio, weight = _chi_square_ratio(degrees)
    reach = np.sqrt(t**2 * between * ratio + z**2 * lasting)
    normal = NormalDist()
    chances = [
        normal.cdf((design.difference - half) / spread) + normal.cdf((-design.difference - half) / spread)
        for half in reach.tolist()
    ]
    return float(np.dot(chances, weight))


def starts_needed(design: Design, seeds: int = 1, wanted: float = POWER) -> int | None:
    """The fewest starts; None where even a million of them do not do, since the seeds' deviation remains."""
    return _least(lambda starts: power(design, starts, seeds) >= wanted, 2, MOST_STARTS)


def seeds_needed(design: Design, starts: int, wanted: float = POWER) -> int | None:
    """The fewest seeds, at least two; None where a thousand do not do, since the starts are too few."""
    return _least(lambda seeds: power(design, starts, seeds) >= wanted, 2, MOST_SEEDS)


def _mcnemar_power(design: Design, starts: int, confidence: float) -> float:
    z = normal_quantile(confidence) * math.sqrt(design.discordant)
    shift, spread = abs(design.difference) * math.sqrt(starts), math.sqrt(design.spread)
    if spread == 0.0:
        return float(shift > z)
    return NormalDist().cdf((shift - z) / spread) + NormalDist().cdf((-shift - z) / spread)


def _chi_square_ratio(degrees: int) -> tuple[Array, Array]:
    """Values of ``chi^2 / degrees`` and their chances, at even steps of its cube root, which is near normal."""
    width = 9 * math.sqrt(2 / (9 * degrees))  # nine deviations of Wilson and Hilferty's normal
    root = np.linspace(max(1e-4, 1 - width), 1 + width, _POINTS)
    ratio = root**3
    logs = (degrees / 2 - 1) * np.log(ratio) - degrees * ratio / 2 + 2 * np.log(root)
    weight = np.exp(logs - logs.max())
    return ratio, weight / weight.sum()


def _least(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """The least whole number in ``low..high`` for which `enough`, which is taken to stay so, holds."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
