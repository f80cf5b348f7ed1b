"""A table of success rates: counts or published percentages are kept, and everything else is derived exactly.

Rates are exact fractions in [0, 1]; `vla_rl_bench.analysis.tables.cells` rounds them, once.  Titles are plain Unicode
(``π₀``, ``Δ``); each format writes them in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from vla_rl_bench.analysis.statistics.intervals import Clustered, Interval, mover_interval
from vla_rl_bench.analysis.statistics.over_seeds import column_mean_interval

if TYPE_CHECKING:
    from vla_rl_bench.analysis.statistics.comparison import Difference

Shows = Literal["rates", "interval", "counts", "seeds"]


@dataclass(frozen=True)
class Measured:
    """Our own episodes of one cell, pooled over seeds."""

    pooled: Clustered
    by_seed: tuple[Fraction, ...]  # the rate of each seed
    mark: str = ""  # of a footnote

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
    """A column of rates, or the unweighted mean of several."""

    title: str
    group: str = ""  # the heading above it and its neighbors
    mean_of: tuple[int, ...] = ()  # indices of the columns whose mean it is
    comparable: bool = True  # with published numbers (`EnvironmentSpec.comparable`)


@dataclass(frozen=True)
class Row:
    """An arm."""

    title: str
    cells: tuple[Cell, ...]  # one per column that is not a mean, in the columns' order
    stated: Published | None = None  # the mean over all columns, if a source prints it without its parts


DifferenceOf = Callable[[Sequence[int]], "Difference | None"]
"""Function of cells' indices in a row: the difference of their mean; None without counts."""


def unknown_difference(cells: Sequence[int]) -> None:
    """The default of `Delta.difference`: no counts, so no interval."""


@dataclass(frozen=True)
class Delta:
    """Row `minuend` minus row `subtrahend`, which are indices into `Table.rows`."""

    title: str
    minuend: int
    subtrahend: int
    difference: DifferenceOf = field(default=unknown_difference, compare=False)


@dataclass(frozen=True)
class Section:
    """Lines under one heading; rules separate sections."""

    lines: tuple[Row | Delta, ...]
    title: str = ""
    reference: bool = False  # published rows, under their own protocols: without differences, never ranked


@dataclass(frozen=True)
class Value:
    """The content of one place of the table: a rate or a difference."""

    exact: Fraction
    interval: Interval | None
    by_seed: tuple[Fraction, ...] = ()
    counts: tuple[int, int] | None = None  # successes and episodes of a rate of our own
    source: str = ""  # of a published rate
    mark: str = ""  # of a footnote on it, or on a rate that it derives from
    over_seeds: Interval | None = None  # of a mean over columns, for other seeds
    difference: Difference | None = None  # of a difference with counts


@dataclass(frozen=True)
class Table:
    """Rows and their differences over columns."""

    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    label: str
    notes: tuple[str, ...] = ()  # how it was measured: protocol, sampling, starts, seeds, sources
    row_header: str = "Model"
    delta_intervals: bool = False  # differences have their interval even where rates have none
    shows: Shows = "rates"
    ranked: bool = False  # the best of each section is bold
    comparisons: int = 0  # differences judged together (Bonferroni), each marked by its verdict; 0: none is marked

    def __post_init__(self) -> None:
        width = sum(not column.mean_of for column in self.columns)
        for row in self.rows:
            if len(row.cells) != width:
                raise ValueError(f"{row.title}: {len(row.cells)} cells for {width} columns")
        references = {id(line) for section in self.sections if section.reference for line in section.lines}
        for delta in (line for line in self.lines if isinstance(line, Delta)):
            if references & {id(line) for line in (delta, self.rows[delta.minuend], self.rows[delta.subtrahend])}:
                raise ValueError(f"{delta.title}: published reference rows take part in no difference")

    @property
    def lines(self) -> tuple[Row | Delta, ...]:
        return tuple(line for section in self.sections for line in section.lines)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(line for line in self.lines if isinstance(line, Row))

    @property
    def seeds(self) -> int:
        """The number of seeds that our own cells pool; 0 if no cell is our own."""
        return max(
            (len(cell.by_seed) for row in self.rows for cell in row.cells if isinstance(cell, Measured)), default=0
        )

    def value(self, line: Row | Delta, column: int) -> Value | None:
        """Compute the content of a line in a column; None if anything that it derives from is missing."""
        mean_of = self.columns[column].mean_of
        cells = [sum(not column.mean_of for column in self.columns[:index]) for index in mean_of or (column,)]
        if isinstance(line, Delta):
            minuend, subtrahend = (
                _value_of([self.rows[index].cells[cell] for cell in cells], is_mean=bool(mean_of))
                for index in (line.minuend, line.subtrahend)
            )
            return minuend and subtrahend and _subtract(minuend, subtrahend, line.difference(cells))
        value = _value_of([line.cells[cell] for cell in cells], is_mean=bool(mean_of))
        is_whole = len(mean_of) == sum(not column.mean_of for column in self.columns)
        return value or (_value_of([line.stated], is_mean=False) if is_whole else None)


def _value_of(cells: Sequence[Cell], *, is_mean: bool) -> Value | None:
    """The value of a cell, or of the mean of several."""
    values = [
        Value(cell.rate, cell.pooled.interval, cell.by_seed, (cell.pooled.successes, cell.pooled.n), mark=cell.mark)
        if isinstance(cell, Measured)
        else Value(cell.rate, None, source=cell.source)
        for cell in cells
        if cell is not None
    ]
    if not values or len(values) < len(cells):
        return None
    return _mean(values) if is_mean else values[0]


def _subtract(minuend: Value, subtrahend: Value, difference: Difference | None) -> Value:
    """The difference; seeds are paired, since both arms have the suite's seeds in one order."""
    paired = len(minuend.by_seed) == len(subtrahend.by_seed)
    by_seed = tuple(a - b for a, b in zip(minuend.by_seed, subtrahend.by_seed, strict=True)) if paired else ()
    return Value(
        minuend.exact - subtrahend.exact,
        difference.interval if difference else None,
        by_seed,
        mark=minuend.mark or subtrahend.mark,
        difference=difference,
    )


def _mean(values: Sequence[Value]) -> Value:
    """The unweighted mean of independent values, with its MOVER interval if every value has an interval."""
    share = Fraction(1, len(values))
    terms = [(float(share), float(value.exact), value.interval) for value in values if value.interval]
    has_same_seeds = len({len(value.by_seed) for value in values}) == 1
    by_seed = zip(*(value.by_seed for value in values), strict=True) if has_same_seeds else ()
    rates = [[float(rate) for rate in value.by_seed] for value in values]
    return Value(
        share * sum((value.exact for value in values), Fraction()),
        mover_interval(terms) if len(terms) == len(values) else None,
        tuple(share * sum(rates, Fraction()) for rates in by_seed),
        mark=next((value.mark for value in values if value.mark), ""),
        over_seeds=column_mean_interval(rates) if all(len(column) > 1 for column in rates) else None,
    )
