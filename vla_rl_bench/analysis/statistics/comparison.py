"""Two arms, side by side: what their episodes say about the difference between them.

All differences are the second side minus the first.  `docs/reference/statistics.md` says which number answers what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.analysis.statistics.bootstrap import interquartile_mean, paired_bootstrap
from vla_rl_bench.analysis.statistics.intervals import (
    Cluster,
    Clustered,
    Interval,
    clustered,
    difference,
    square_and_add,
)
from vla_rl_bench.analysis.statistics.over_seeds import Estimate, average, crossed_difference
from vla_rl_bench.analysis.statistics.paired_test import PairedTest, sign_flips, whole_gaps
from vla_rl_bench.analysis.statistics.robust import seeds_difference, seeds_interval
from vla_rl_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Key = tuple[int, int]
"""Task, start index."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What one side gave on one column.

    successes, episodes: ``[seeds, starts]`` counts, int64; every seed played every start.
    """

    seeds: tuple[int, ...]
    starts: tuple[Key, ...]
    successes: NDArray[np.int64]
    episodes: NDArray[np.int64]

    @property
    def rates(self) -> Array:
        return np.asarray(self.successes / self.episodes)

    def clusters(self) -> list[Cluster]:
        """Successes and episodes on each start, over all seeds."""
        return [(int(k), int(n)) for k, n in zip(self.successes.sum(axis=0), self.episodes.sum(axis=0), strict=True)]

    def task_rates(self) -> Array:
        """``[seeds, tasks]``."""
        tasks = np.array([task for task, _ in self.starts])
        found = [
            self.successes[:, tasks == task].sum(axis=1) / self.episodes[:, tasks == task].sum(axis=1)
            for task in np.unique(tasks)
        ]
        return np.stack(found, axis=1)

    def on(self, starts: Sequence[Key]) -> Outcomes:
        """Only these starts, in this order."""
        place = {start: index for index, start in enumerate(self.starts)}
        chosen = [place[start] for start in starts]
        return Outcomes(self.seeds, tuple(starts), self.successes[:, chosen], self.episodes[:, chosen])


@dataclass(frozen=True)
class ColumnGap:
    """One column.

    difference, interval: for the policies that were trained, starts being the sample.
    test: None where the sides share no start.
    over_seeds: for the recipes, seeds and starts being the sample; None with one seed a side or no common start.
    """

    column: str
    starts: int
    first: Clustered
    second: Clustered
    difference: float
    interval: Interval
    test: PairedTest | None
    over_seeds: Estimate | None


@dataclass(frozen=True)
class Robust:
    """Interquartile means over seeds and tasks, each with its interval."""

    first: float
    first_interval: Interval
    second: float
    second_interval: Interval
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """All columns, and their plain mean."""

    columns: tuple[ColumnGap, ...]
    difference: float
    interval: Interval
    test: PairedTest | None
    over_seeds: Estimate | None
    robust: Robust | None


def outcomes(episodes: pd.DataFrame) -> Outcomes:
    """The episodes of one arm and column, one evaluation -> counts on the starts that every seed played."""
    counts = episodes.groupby(["seed", "task", "start"])["success"].agg(["sum", "size"])
    successes, sizes = counts["sum"].unstack("seed").dropna(), counts["size"].unstack("seed").dropna()
    if successes.empty:
        raise UserError(f"{', '.join(episodes['run'].unique())}: no start that every seed played; evaluate them alike")
    return Outcomes(
        seeds=tuple(int(seed) for seed in successes.columns),
        starts=tuple((int(task), int(start)) for task, start in successes.index),
        successes=successes.to_numpy(dtype=np.int64).T,
        episodes=sizes.to_numpy(dtype=np.int64).T,
    )


def compare(columns: Sequence[tuple[str, Outcomes, Outcomes]]) -> Comparison:
    """columns: name, first side, second side; on the starts that they have in common, if any."""
    aligned = [(name, *_aligned(first, second)) for name, first, second in columns]
    gaps = tuple(_column(*column) for column in aligned)
    paired = all(gap.test is not None for gap in gaps)
    seeded = [gap.over_seeds for gap in gaps if gap.over_seeds is not None]
    complete = len(seeded) == len(gaps)
    return Comparison(
        columns=gaps,
        difference=sum(gap.difference for gap in gaps) / len(gaps),
        interval=_policies(aligned) if paired else _apart(gaps),
        test=sign_flips(gap for _, first, second in aligned for gap in _whole(first, second)) if paired else None,
        over_seeds=average(seeded) if complete else None,
        robust=_robust(aligned) if complete else None,
    )


def _aligned(first: Outcomes, second: Outcomes) -> tuple[Outcomes, Outcomes]:
    common = [start for start in first.starts if start in set(second.starts)]
    return (first.on(common), second.on(common)) if common else (first, second)


def _column(name: str, first: Outcomes, second: Outcomes) -> ColumnGap:
    sides = clustered(first.clusters()), clustered(second.clusters())
    paired = first.starts == second.starts
    several = min(len(first.seeds), len(second.seeds), len(first.starts)) > 1
    return ColumnGap(
        column=name,
        starts=len(first.starts),
        first=sides[0],
        second=sides[1],
        difference=sides[1].successes / sides[1].n - sides[0].successes / sides[0].n,
        interval=_policies([(name, first, second)]) if paired else difference(second.clusters(), first.clusters()),
        test=sign_flips(_whole(first, second)) if paired else None,
        over_seeds=crossed_difference(first.rates, second.rates, paired=first.seeds == second.seeds)
        if paired and several
        else None,
    )


def _policies(columns: Sequence[tuple[str, Outcomes, Outcomes]]) -> Interval:
    """The paired bootstrap over starts."""
    return paired_bootstrap(
        [(second.rates.mean(axis=0) - first.rates.mean(axis=0)).tolist() for _, first, second in columns]
    )


def _apart(gaps: Sequence[ColumnGap]) -> Interval:
    return square_and_add((1 / len(gaps), gap.difference, gap.interval) for gap in gaps)


def _whole(first: Outcomes, second: Outcomes) -> list[int]:
    return whole_gaps(first.clusters(), second.clusters())


def _robust(columns: Sequence[tuple[str, Outcomes, Outcomes]]) -> Robust:
    first = [side.task_rates() for _, side, _ in columns]
    second = [side.task_rates() for _, _, side in columns]
    means = [float(interquartile_mean(np.concatenate([one.ravel() for one in side]))) for side in (first, second)]
    paired = all(one.seeds == other.seeds for _, one, other in columns)
    return Robust(
        first=means[0],
        first_interval=seeds_interval(first),
        second=means[1],
        second_interval=seeds_interval(second),
        interval=seeds_difference(first, second, paired=paired),
    )
