"""The starts and seeds needed to detect a difference.  Rates are in [0, 1]; tests are two-sided at 95%."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from vla_rl_bench.analysis.statistics.comparison import Array, StartCounts
from vla_rl_bench.analysis.statistics.intervals import CONFIDENCE, normal_quantile, t_quantile
from vla_rl_bench.analysis.statistics.over_seeds import variance_components

POWER = 0.8  # the usual one: Cohen 1988
MOST_STARTS, MOST_SEEDS = 1_000_000, 1_000
_POINTS = 2_000  # of the integral over the estimated seed deviation; 200 give the same to 4 digits


@dataclass(frozen=True, slots=True)
class Design:
    """Rates and variances that are known, or assumed, before an experiment."""

    first: float  # the arms' true rates
    second: float
    # Share of starts on which one policy of each arm differ; None: as for independent arms, which is cautious, since
    # arms mostly have the same starts hard.
    discordance: float | None = None
    seed_deviation: float = 0.0  # standard deviation of the true difference between seeds
    # Share of the variance between starts that is the same for every seed.  1 is cautious: more seeds then do not
    # replace more starts.
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
    def variance(self) -> float:
        """Of the difference on one start."""
        return max(0.0, self.discordant - self.difference**2)


def correlation(design: Design) -> float:
    """The phi coefficient of the two arms' outcomes on a start; 0 if an arm has rate 0 or 1."""
    both = design.first * (1 - design.first) * design.second * (1 - design.second)
    independent = replace(design, discordance=None).discordant
    return (independent - design.discordant) / (2 * math.sqrt(both)) if both else 0.0


def at_rates(design: Design, first: float, second: float) -> Design:
    """The same correlation, seeds and shares at other rates; the discordance is kept to its bounds."""
    independent = replace(design, first=first, second=second, discordance=None)
    joint = 2 * correlation(design) * math.sqrt(first * (1 - first) * second * (1 - second))
    least, most = discordance_bounds(first, second)
    return replace(independent, discordance=min(most, max(least, independent.discordant - joint)))


def discordance_bounds(first: float, second: float) -> tuple[float, float]:
    """The least and the largest discordance that two rates can have."""
    return abs(second - first), min(first + second, 2 - first - second)


def design_from_results(first: StartCounts, second: StartCounts) -> Design:
    """The design of another experiment with arms like these two, which were measured on the same starts."""
    paired = first.seeds == second.seeds
    rates = [side.rates if paired else side.rates.mean(axis=0, keepdims=True) for side in (first, second)]
    discordance = float((rates[0] * (1 - rates[1]) + rates[1] * (1 - rates[0])).mean())
    plain = Design(float(first.rates.mean()), float(second.rates.mean()), discordance)
    if min(len(first.seeds), len(second.seeds), len(first.starts)) < 2:
        return plain
    if not paired:  # the starts' part of unpaired seeds cannot be separated from the residual: stay cautious
        sides = [variance_components(side.rates) for side in (first, second)]
        between = sum(side.n_seeds * max(0.0, side.seeds - side.residual) for side in sides)
        return replace(plain, seed_deviation=math.sqrt(between))
    parts = variance_components(second.rates - first.rates)
    between = parts.n_seeds * max(0.0, parts.seeds - parts.residual)
    lasting = parts.n_starts * max(0.0, parts.starts - parts.residual)
    total = lasting + parts.n_seeds * parts.n_starts * parts.residual
    return replace(plain, seed_deviation=math.sqrt(between), shared=lasting / total if total else 1.0)


def power(design: Design, starts: int, seeds: int = 1, confidence: float = CONFIDENCE) -> float:
    """The probability that the difference is significant.

    One seed: McNemar's test on the starts, about these two policies (Connor 1987, Biometrics 43:207-211).  More seeds:
    the interval of `over_seeds.crossed_difference` with paired seeds, about the recipes.
    """
    cdf, z = NormalDist().cdf, normal_quantile(confidence)
    if seeds == 1:
        spread, weight = math.sqrt(design.variance / starts), np.ones(1)
        reach = z**2 * design.discordant / starts * weight
    else:
        between = design.seed_deviation**2 / seeds + (1 - design.shared) * design.variance / (seeds * starts)
        lasting = design.shared * design.variance / starts
        ratio, weight = _chi_square_ratio(seeds - 1)
        spread = math.sqrt(between + lasting)
        reach = t_quantile(seeds - 1, confidence) ** 2 * between * ratio + z**2 * lasting
    halves = np.sqrt(reach).tolist()
    if spread == 0.0:
        return float(abs(design.difference) > halves[0])
    tails = [cdf((design.difference - half) / spread) + cdf((-design.difference - half) / spread) for half in halves]
    return float(np.dot(tails, weight))


def starts_needed(design: Design, seeds: int = 1, target: float = POWER) -> int | None:
    """The fewest starts; None if even a million are too few, since the seeds' deviation remains."""
    return _least(lambda starts: power(design, starts, seeds) >= target, 2, MOST_STARTS)


def seeds_needed(design: Design, starts: int, target: float = POWER) -> int | None:
    """The fewest seeds, at least two; None if a thousand are too few, since there are too few starts."""
    return _least(lambda seeds: power(design, starts, seeds) >= target, 2, MOST_SEEDS)


def _chi_square_ratio(degrees: int) -> tuple[Array, Array]:
    """Values of ``chi^2 / degrees`` and their weights, at even steps of its cube root, which is nearly normal."""
    width = 9 * math.sqrt(2 / (9 * degrees))  # nine deviations of Wilson and Hilferty's normal
    root = np.linspace(max(1e-4, 1 - width), 1 + width, _POINTS)
    ratio = root**3
    logs = (degrees / 2 - 1) * np.log(ratio) - degrees * ratio / 2 + 2 * np.log(root)
    weight = np.exp(logs - logs.max())
    return ratio, weight / weight.sum()


def _least(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """The least integer in ``low..high`` for which `enough`, which is taken to stay true, holds."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
