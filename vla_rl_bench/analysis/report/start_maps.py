"""Success of every arm by task and start of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.plots.style import ArmStyle, arm_styles
from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.analysis.statistics.intervals import Cluster, Clustered, clustered, interval_text, percent_text
from vla_rl_bench.analysis.tables.build import Starts, by_start, final_episodes, select_evaluation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StartMap:
    """Successes of an arm in a task, start by start."""

    cells: tuple[Cluster | None, ...]  # (successes, episodes) of each start; None: not evaluated
    pooled: Clustered

    @property
    def text(self) -> str:
        """``63.1% [55.2, 70.4]``, with Wilson's interval at the number of episodes that clustering by start leaves."""
        rate = percent_text(self.pooled.successes, self.pooled.n)
        return f"{rate}% {interval_text(self.pooled.interval)}"

    @property
    def never_solved(self) -> int:
        return sum(1 for cell in self.cells if cell and cell[0] == 0)

    @property
    def always_solved(self) -> int:
        return sum(1 for cell in self.cells if cell and cell[0] == cell[1])


@dataclass(frozen=True)
class TaskRow:
    title: str
    starts: tuple[int, ...]
    maps: tuple[StartMap | None, ...]  # one per arm, in the suite's order


@dataclass(frozen=True)
class ColumnMaps:
    """Start maps of a column.  reasons: one per arm, why seeds are missing; empty if none is."""

    column: str
    arms: tuple[ArmStyle, ...]
    rows: tuple[TaskRow, ...]
    reasons: tuple[str, ...]

    def never_solved(self, arm: int) -> int:
        """Number of (task, start) pairs that no seed of the arm solved."""
        return sum(start_map.never_solved for start_map in self._maps(arm))

    def evaluated(self, arm: int) -> int:
        return sum(1 for start_map in self._maps(arm) for cell in start_map.cells if cell)

    @property
    def notes(self) -> list[str]:
        """Seeds that arms lack."""
        return [f"{arm.title}: {reason}" for arm, reason in zip(self.arms, self.reasons, strict=True) if reason]

    def _maps(self, arm: int) -> list[StartMap]:
        return [start_map for row in self.rows if (start_map := row.maps[arm])]


def start_maps(results: SuiteRuns) -> list[ColumnMaps]:
    """Build the maps of the suite's own evaluation, a column after the other."""
    episodes = final_episodes(results.episodes, results.suite, select_evaluation(results.suite))
    return [_column(results, episodes[episodes["column"] == column], column) for column in results.suite.columns]


def _column(results: SuiteRuns, episodes: pd.DataFrame, column: str) -> ColumnMaps:
    styles = arm_styles(results.suite)
    by_arm = [episodes[episodes["arm"] == style.name] for style in styles]
    counts = [by_start(part) for part in by_arm]
    tasks = sorted({task for starts in counts for task, _ in starts})
    rows = tuple(_row(results.task_title(column, task), task, counts) for task in tasks)
    reasons = tuple(_reason(results.suite.seeds, {int(seed) for seed in part["seed"].unique()}) for part in by_arm)
    return ColumnMaps(column, tuple(styles), rows, reasons)


def _row(title: str, task: int, counts: Sequence[Starts]) -> TaskRow:
    starts = tuple(sorted({start for arm in counts for of_task, start in arm if of_task == task}))
    cells = [tuple(arm.get((task, start)) for start in starts) for arm in counts]
    maps = (StartMap(row, clustered([cell for cell in row if cell])) if any(row) else None for row in cells)
    return TaskRow(title, starts, tuple(maps))


def _reason(seeds: Sequence[int], complete: set[int]) -> str:
    missing = [str(seed) for seed in seeds if seed not in complete]
    if not complete:
        return "no complete run"
    return f"without seed{'s' if len(missing) > 1 else ''} {', '.join(missing)}" if missing else ""
