"""The difference between two arms, by column and as the mean over columns: second side minus first.

`compare`, the tables, ablations and reports all use `Difference`; `docs/reference/statistics.md` describes its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.bootstrap import paired_bootstrap
from vla_rl_bench.analysis.statistics.intervals import (
    Cluster,
    Clustered,
    Interval,
    clustered,
    clustered_newcombe,
    mover_interval,
)
from vla_rl_bench.analysis.statistics.over_seeds import SeededDifference, average, crossed_difference
from vla_rl_bench.analysis.statistics.paired_test import PairedTest, integer_differences, sign_flip_test
from vla_rl_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Start = tuple[int, int]
"""Task, start index."""


@dataclass(frozen=True, eq=False)
class StartCounts:
    """Successes and episodes of one arm on one column, by seed and start."""

    seeds: tuple[int, ...]
    starts: tuple[Start, ...]
    successes: NDArray[np.int64]  # [seeds, starts]
    episodes: NDArray[np.int64]  # [seeds, starts]; 0 if the seed did not play the start

    @property
    def rates(self) -> Array:
        return np.asarray(self.successes / self.episodes)

    @property
    def even(self) -> bool:
        """Every seed played every start equally often."""
        return bool((self.episodes == self.episodes[0, 0]).all())

    def clusters(self) -> list[Cluster]:
        """Successes and episodes on each start, over all seeds."""
        return [(int(k), int(n)) for k, n in zip(self.successes.sum(axis=0), self.episodes.sum(axis=0), strict=True)]

    @cached_property
    def pooled(self) -> Clustered:
        return clustered(self.clusters())

    def on(self, starts: Sequence[Start]) -> StartCounts:
        """Only these starts, in this order."""
        index = {start: number for number, start in enumerate(self.starts)}
        chosen = [index[start] for start in starts]
        return StartCounts(self.seeds, tuple(starts), self.successes[:, chosen], self.episodes[:, chosen])


def start_counts(episodes: pd.DataFrame) -> StartCounts:
    """Count the episodes of one arm and column in one evaluation."""
    counts = episodes.groupby(["seed", "task", "start"])["success"].agg(["sum", "size"])
    successes, sizes = (counts[name].unstack("seed", fill_value=0) for name in ("sum", "size"))
    return StartCounts(
        seeds=tuple(int(seed) for seed in successes.columns),
        starts=tuple((int(task), int(start)) for task, start in successes.index),
        successes=successes.to_numpy(dtype=np.int64).T,
        episodes=sizes.to_numpy(dtype=np.int64).T,
    )


def common_start_counts(episodes: pd.DataFrame) -> StartCounts:
    """As `start_counts`, on the starts that every seed played."""
    counts = start_counts(episodes)
    common = [counts.starts[number] for number in np.flatnonzero(counts.episodes.all(axis=0))]
    if not common:
        raise UserError(f"{', '.join(episodes['run'].unique())}: no start that every seed played; evaluate them alike")
    return counts.on(common)


Pair = tuple[StartCounts, StartCounts]
"""First and second side on one column."""


@dataclass(frozen=True, eq=False)
class Difference:
    """The second side's success rate minus the first's: of one column, or the plain mean of several."""

    pairs: tuple[Pair, ...]  # one per column

    @cached_property
    def value(self) -> float:
        rates = [(first.pooled, second.pooled) for first, second in self.pairs]
        return sum(b.successes / b.n - a.successes / a.n for a, b in rates) / len(rates)

    @cached_property
    def paired(self) -> bool:
        """Both sides played the same starts in every column, each start equally often."""
        return all(first.starts == second.starts and first.even and second.even for first, second in self.pairs)

    @cached_property
    def policies_interval(self) -> Interval:
        """For the trained policies, starts being the sample: the paired bootstrap; Newcombe's for independent sides."""
        if self.paired:
            return paired_bootstrap(
                [second.rates.mean(axis=0) - first.rates.mean(axis=0) for first, second in self.pairs]
            )
        if len(self.pairs) == 1:
            [(first, second)] = self.pairs
            return clustered_newcombe(second.pooled, first.pooled)
        columns = [Difference((pair,)) for pair in self.pairs]
        return mover_interval((1 / len(columns), column.value, column.policies_interval) for column in columns)

    @cached_property
    def test(self) -> PairedTest | None:
        """None for independent sides."""
        if not self.paired:
            return None
        clusters = [(first.clusters(), second.clusters()) for first, second in self.pairs]
        return sign_flip_test(difference for sides in clusters for difference in integer_differences(*sides))

    @cached_property
    def over_seeds(self) -> SeededDifference | None:
        """For the recipes, seeds and starts being the samples; None with one seed on a side or independent sides."""
        if not self.paired or any(min(len(a.seeds), len(b.seeds), len(a.starts)) < 2 for a, b in self.pairs):
            return None
        columns = [crossed_difference(a.rates, b.rates, paired=a.seeds == b.seeds) for a, b in self.pairs]
        return columns[0] if len(columns) == 1 else average(columns)

    @property
    def interval(self) -> Interval:
        """The interval that the verdict rests on: for the recipes if there are several seeds, else for the policies."""
        return self.policies_interval if self.over_seeds is None else self.over_seeds.interval()


@dataclass(frozen=True, eq=False)
class Comparison:
    """The difference of each column, and their plain mean."""

    columns: Mapping[str, Difference]
    mean: Difference


def compare(columns: Mapping[str, Pair]) -> Comparison:
    """Compare two sides on the starts that both played, if there are any."""
    pairs = {name: _on_common_starts(*pair) for name, pair in columns.items()}
    return Comparison({name: Difference((pair,)) for name, pair in pairs.items()}, Difference(tuple(pairs.values())))


def _on_common_starts(first: StartCounts, second: StartCounts) -> Pair:
    common = [start for start in first.starts if start in set(second.starts)]
    return (first.on(common), second.on(common)) if common else (first, second)
