"""A table of success rates: counts (or published percentages) are kept, everything else is derived exactly.

Rates are exact fractions in [0, 1]; they are rounded once, in `vla_rl_bench.analysis.tables.cells`.
Titles are plain Unicode (``π₀``, ``Δ``); each format spells them its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from vla_rl_bench.analysis.statistics.intervals import Clustered, Interval, mover_interval
from vla_rl_bench.analysis.statistics.over_seeds import column_mean_interval

Shows = Literal["rates", "interval", "counts", "seeds"]


@dataclass(frozen=True)
class Measured:
    """Our own episodes, pooled over seeds.  by_seed: each seed's own rate.  mark: of a footnote."""

    pooled: Clustered
    by_seed: tuple[Fraction, ...]
    mark: str = ""

    @property
    def rate(self) -> Fraction:
        return Fraction(self.pooled.successes, self.pooled.n)


@dataclass(frozen=True)
class Published:
    """A printed percentage, as a fraction of 1; its counts are unknown."""

    rate: Fraction
    source: str


Cell = Measured | Published | None
"""None: not measured."""


@dataclass(frozen=True)
class Column:
    """A column.  group: the heading above it.  mean_of: the columns, by index, whose unweighted mean it shows.

    comparable: whether what was measured may be held against published numbers (`EnvironmentSpec.comparable`).
    """

    title: str
    group: str = ""
    mean_of: tuple[int, ...] = ()
    comparable: bool = True


@dataclass(frozen=True)
class Row:
    """An arm.  cells: one a column that is not a mean, in the columns' order.

    stated: the mean over all columns, where a source prints it without its parts.
    """

    title: str
    cells: tuple[Cell, ...]
    stated: Published | None = None


Joint = Callable[[Sequence[int]], Interval | None]
"""The interval of the mean difference over some cells, by their places in the row."""


@dataclass(frozen=True)
class Delta:
    """Row `minuend` less row `subtrahend` (indices into `Table.rows`).  intervals: like a row's cells.

    joint: the interval of a mean over columns; without it the columns count as independent.
    """

    title: str
    minuend: int
    subtrahend: int
    intervals: tuple[Interval | None, ...]
    joint: Joint | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Section:
    """Lines under one heading; rules separate sections.

    reference: published rows beside measured ones, under protocols of their own: no differences, never ranked.
    """

    lines: tuple[Row | Delta, ...]
    title: str = ""
    reference: bool = False


@dataclass(frozen=True)
class Value:
    """What stands in one place of the table: a rate or a difference, how sure it is, and what each seed gave.

    counts: successes and episodes where it is a rate of our own.  source: where it is printed, if it is published.
    over_seeds: of a mean over columns, how far other seeds would move it.  mark: of a footnote on it, or on what it
    derives from.
    """

    exact: Fraction
    interval: Interval | None
    by_seed: tuple[Fraction, ...] = ()
    counts: tuple[int, int] | None = None
    source: str = ""
    mark: str = ""
    over_seeds: Interval | None = None


@dataclass(frozen=True)
class Table:
    """notes: what a reader must know of how it was measured (protocol, sampling, starts, seeds, sources).

    delta_intervals: differences show their interval at once, not only where the counts are asked for.
    shows: rates in percent, alone or with intervals; or counts with intervals; or the mean over seeds.
    heading: stands above the groups of columns.  stacked: the groups stand one under another, each with its header.
    ranked: the best of a section is bold, the second underlined, and differences are bold.  zero: how a rate of 0 is
    printed.
    """

    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    label: str
    notes: tuple[str, ...] = ()
    row_header: str = "Model"
    delta_intervals: bool = False
    shows: Shows = "rates"
    heading: str = ""
    stacked: bool = False
    ranked: bool = False
    zero: str = "0.0"

    def __post_init__(self) -> None:
        width = sum(not column.mean_of for column in self.columns)
        for line in self.lines:
            cells = line.cells if isinstance(line, Row) else line.intervals
            if len(cells) != width:
                raise ValueError(f"{line.title}: {len(cells)} cells for {width} columns")
        references = [line for section in self.sections if section.reference for line in section.lines]
        for delta in (line for line in self.lines if isinstance(line, Delta)):
            for line in (delta, self.rows[delta.minuend], self.rows[delta.subtrahend]):
                if any(line is other for other in references):
                    raise ValueError(f"{delta.title}: published reference rows take part in no difference")

    @property
    def lines(self) -> tuple[Row | Delta, ...]:
        return tuple(line for section in self.sections for line in section.lines)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(line for line in self.lines if isinstance(line, Row))

    @property
    def seeds(self) -> int:
        """How many seeds our own cells pool; 0 where none is our own."""
        return max(
            (len(cell.by_seed) for row in self.rows for cell in row.cells if isinstance(cell, Measured)), default=0
        )

    def value(self, line: Row | Delta, column: int) -> Value | None:
        """What `line` shows in a column; None where anything it derives from is missing."""
        mean_of = self.columns[column].mean_of
        if mean_of:
            mean = _mean([self.value(line, index) for index in mean_of])
            if mean and isinstance(line, Delta) and line.joint:
                mean = replace(mean, interval=line.joint([self._place(index) for index in mean_of]))
            return mean or (self._stated(line, mean_of) if isinstance(line, Row) else None)
        place = self._place(column)
        if isinstance(line, Row):
            return _of_cell(line.cells[place])
        first, second = (_of_cell(self.rows[index].cells[place]) for index in (line.minuend, line.subtrahend))
        return None if first is None or second is None else _less(first, second, line.intervals[place])

    def _place(self, column: int) -> int:
        """A column that is no mean -> the place of its cells in a row."""
        return sum(not other.mean_of for other in self.columns[:column])

    def _stated(self, row: Row, mean_of: tuple[int, ...]) -> Value | None:
        everything = tuple(index for index, column in enumerate(self.columns) if not column.mean_of)
        return _of_cell(row.stated) if mean_of == everything else None


def _of_cell(cell: Cell) -> Value | None:
    if isinstance(cell, Measured):
        return Value(
            cell.rate, cell.pooled.interval, cell.by_seed, (cell.pooled.successes, cell.pooled.n), mark=cell.mark
        )
    return None if cell is None else Value(cell.rate, None, source=cell.source)


def _less(first: Value, second: Value, interval: Interval | None) -> Value:
    """Seeds are paired: both arms have the suite's seeds in one order."""
    paired = len(first.by_seed) == len(second.by_seed)
    by_seed = tuple(a - b for a, b in zip(first.by_seed, second.by_seed, strict=True)) if paired else ()
    return Value(first.exact - second.exact, interval, by_seed, mark=first.mark or second.mark)


def _mean(values: list[Value | None]) -> Value | None:
    """The unweighted mean of independent values, with its square-and-add interval where all have one."""
    present = [value for value in values if value is not None]
    if not present or len(present) < len(values):
        return None
    share = Fraction(1, len(present))
    terms = [(float(share), float(value.exact), value.interval) for value in present if value.interval]
    interval = mover_interval(terms) if len(terms) == len(present) else None
    seeds = {len(value.by_seed) for value in present}
    by_seed = zip(*(value.by_seed for value in present), strict=True) if len(seeds) == 1 else ()
    exact = share * sum((value.exact for value in present), Fraction())
    mark = next((value.mark for value in present if value.mark), "")
    rates = [[float(rate) for rate in value.by_seed] for value in present]
    seeded = column_mean_interval(rates) if all(len(column) > 1 for column in rates) else None
    means = tuple(share * sum(rates, Fraction()) for rates in by_seed)
    return Value(exact, interval, means, mark=mark, over_seeds=seeded)
