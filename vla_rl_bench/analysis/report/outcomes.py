"""Recorded episodes -> success by task, and by task and start, for every arm of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.report.palette import Arm, arms
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.analysis.statistics.intervals import Cluster, clustered, percent_text
from vla_rl_bench.analysis.tables.build import Selection, Starts, by_start, final_episodes, select

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Bar:
    """A rate in percent with its 95% interval, clustered by start."""

    successes: int
    n: int
    low: float
    high: float

    @property
    def text(self) -> str:
        return percent_text(self.successes, self.n)

    @property
    def rate(self) -> float:
        return 100 * self.successes / self.n


@dataclass(frozen=True)
class Strip:
    """An arm in a task.  cells: one a start of the column, in order; None where it was not tried."""

    bar: Bar | None
    cells: tuple[Cluster | None, ...]

    @property
    def never(self) -> int:
        return sum(1 for cell in self.cells if cell and cell[0] == 0)

    @property
    def always(self) -> int:
        return sum(1 for cell in self.cells if cell and cell[0] == cell[1])


@dataclass(frozen=True)
class TaskRow:
    """strips: one an arm, in the suite's order.  starts: the start indices of the cells."""

    task: int
    title: str
    starts: tuple[int, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class ColumnOutcomes:
    """reasons: why an arm's cells are empty, or of fewer seeds than the suite's; else empty text."""

    column: str
    arms: tuple[Arm, ...]
    rows: tuple[TaskRow, ...]
    reasons: tuple[str, ...]

    def never(self, arm: int) -> int:
        """How many (task, start) pairs no seed of the arm ever solved."""
        return sum(row.strips[arm].never for row in self.rows)

    @property
    def notes(self) -> list[str]:
        """Arms that lack seeds, or all, where others have some."""
        named = zip(self.arms, self.reasons, strict=True)
        return [f"{arm.title}: {reason}" for arm, reason in named if reason and self.rows]

    @property
    def cells(self) -> int:
        return sum(self.tried(arm) for arm in range(len(self.arms)))

    def tried(self, arm: int) -> int:
        return sum(1 for row in self.rows for cell in row.strips[arm].cells if cell)


def outcomes(evidence: Evidence, selection: Selection | None = None) -> list[ColumnOutcomes]:
    """Each column of the suite's own evaluation, or of another one."""
    suite = evidence.suite
    episodes = final_episodes(evidence.episodes, suite, selection or select(suite))
    return [_column(evidence, episodes[episodes["column"] == column], column) for column in suite.columns]


def _column(evidence: Evidence, episodes: pd.DataFrame, column: str) -> ColumnOutcomes:
    named = arms(evidence.suite)
    parts = [episodes[episodes["arm"] == arm.name] for arm in named]
    tried = [by_start(part) for part in parts]
    tasks = sorted({task for found in tried for task, _ in found})
    instructions = evidence.instructions(column)
    rows = tuple(_row(task, instructions, tried) for task in tasks)
    seeds = [sorted(int(seed) for seed in part["seed"].unique()) for part in parts]
    reasons = tuple(_reason(evidence.suite.seeds, there) for there in seeds)
    return ColumnOutcomes(column, tuple(named), rows, reasons)


def _row(task: int, instructions: Sequence[str], tried: Sequence[Starts]) -> TaskRow:
    starts = tuple(sorted({start for found in tried for of, start in found if of == task}))
    title = instructions[task] if task < len(instructions) else f"task {task}"
    return TaskRow(task, title, starts, tuple(_strip(found, task, starts) for found in tried))


def _strip(found: Starts, task: int, starts: Sequence[int]) -> Strip:
    cells = tuple(found.get((task, start)) for start in starts)
    there = [cell for cell in cells if cell]
    if not there:
        return Strip(None, cells)
    pooled = clustered(there)
    bar = Bar(pooled.successes, pooled.n, 100 * pooled.interval.low, 100 * pooled.interval.high)
    return Strip(bar, cells)


def _reason(wanted: Sequence[int], there: Sequence[int]) -> str:
    if not there:
        return "no complete run"
    lacking = [seed for seed in wanted if seed not in there]
    named = ", ".join(map(str, lacking))
    return f"without seed{'s' if len(lacking) > 1 else ''} {named}" if lacking else ""
