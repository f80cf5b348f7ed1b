"""The interval of a difference as tables print it: the one on which `compare` rests its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vla_rl_bench.analysis.statistics.bootstrap import paired_bootstrap
from vla_rl_bench.analysis.statistics.comparison import Outcomes
from vla_rl_bench.analysis.statistics.intervals import Cluster, Interval, difference, square_and_add
from vla_rl_bench.analysis.statistics.over_seeds import Estimate, average, crossed_difference


@dataclass(frozen=True, eq=False)
class Gap:
    """One column: the second side's rate minus the first's.

    by_start: the gap on each start that both sides played; None where they are no pairs.
    over_seeds: for the recipes; None with one seed a side, or without pairs.
    apart: the interval of independent sides.
    """

    difference: float
    by_start: tuple[float, ...] | None
    over_seeds: Estimate | None
    apart: Interval


def gap(first: Outcomes, second: Outcomes) -> Gap:
    """Pairs are taken where both sides played the same starts, each equally often."""
    apart = gap_apart(first.clusters(), second.clusters())
    if first.starts != second.starts or not (_even(first) and _even(second)):
        return apart
    several = min(len(first.seeds), len(second.seeds), len(first.starts)) > 1
    return replace(
        apart,
        by_start=tuple((second.rates.mean(axis=0) - first.rates.mean(axis=0)).tolist()),
        over_seeds=crossed_difference(first.rates, second.rates, paired=first.seeds == second.seeds)
        if several
        else None,
    )


def gap_apart(first: Sequence[Cluster], second: Sequence[Cluster]) -> Gap:
    """Independent sides."""
    rates = [sum(k for k, _ in side) / sum(n for _, n in side) for side in (first, second)]
    return Gap(rates[1] - rates[0], None, None, difference(second, first))


def joint_interval(gaps: Sequence[Gap]) -> Interval:
    """Of the plain mean of the columns' differences, as `compare` has it.

    With several seeds a side over seeds and starts; with one the paired bootstrap over starts; where sides are no pairs
    the columns' intervals, squared and added.
    """
    estimates = [one.over_seeds for one in gaps if one.over_seeds is not None]
    if len(estimates) == len(gaps):
        return average(estimates).interval()
    strata = [one.by_start for one in gaps if one.by_start is not None]
    if len(strata) == len(gaps):
        return paired_bootstrap(strata)
    if len(gaps) == 1:
        return gaps[0].apart
    return square_and_add((1 / len(gaps), one.difference, joint_interval([one])) for one in gaps)


def _even(side: Outcomes) -> bool:
    return bool((side.episodes == side.episodes[0, 0]).all())
