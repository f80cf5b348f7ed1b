"""Files of published numbers: percentages typed in with their source; averages and differences are never typed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vla_rl_bench.analysis.tables.model import Cell, Column, Delta, Published, Row, Section, Table
from vla_rl_bench.errors import UserError

Percentage = Annotated[float, Field(ge=0, le=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedGroup(_Model):
    """Neighbouring columns under one heading.

    average: their unweighted mean follows them; ``apart``: outside the heading, as table 3 prints it.
    keys: what suites call the columns, in their order; without them no suite's rows can stand beside.
    """

    title: str = ""
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()
    average: bool | Literal["apart"] = True

    @model_validator(mode="after")
    def _keys(self) -> PublishedGroup:
        if self.keys and len(self.keys) != len(self.columns):
            raise ValueError(f"{len(self.keys)} keys for {len(self.columns)} columns")
        return self


class PublishedRow(_Model):
    """source: where the row stands.  values: in percent, as printed; null where the source prints none.

    average: only where the source prints it and no value that it follows from.
    """

    name: str
    title: str
    source: str
    values: tuple[Percentage | None, ...]
    average: Percentage | None = None

    @model_validator(mode="after")
    def _average(self) -> PublishedRow:
        if self.average is not None and None not in self.values:
            raise ValueError(f"{self.name}: the average follows from the values; do not type it")
        return self


class PublishedSection(_Model):
    """delta: pairs of rows by name (minuend, subtrahend), a line of differences each."""

    title: str = ""
    rows: tuple[PublishedRow, ...]
    delta: tuple[tuple[str, str], ...] = ()


class PublishedTable(_Model):
    """protocol: what is known of how it was measured.  notes: contradictions within the source, kept as they are.

    paper: what every cell's source begins with, where all rows are of one paper.  environment: whose columns `keys`
    are.  heading: above the groups.  overall: the title of a last column, the mean over all groups' columns.
    stacked: the groups stand one under another.  ranked: the best in bold, the second underlined.  zero: how the
    source prints a rate of 0.
    """

    title: str
    source: str
    paper: str = ""
    label: str
    protocol: str
    notes: tuple[str, ...] = ()
    environment: str = ""
    row_header: str = "Model"
    heading: str = ""
    groups: tuple[PublishedGroup, ...]
    overall: str | None = None
    stacked: bool = False
    ranked: bool = False
    zero: str = "0.0"
    sections: tuple[PublishedSection, ...]

    @model_validator(mode="after")
    def _widths(self) -> PublishedTable:
        width = len(self.column_titles)
        for row in self.rows:
            if len(row.values) != width:
                raise ValueError(f"{row.name}: {len(row.values)} values for {width} columns")
        return self

    @property
    def rows(self) -> tuple[PublishedRow, ...]:
        return tuple(row for section in self.sections for row in section.rows)

    @property
    def column_titles(self) -> tuple[str, ...]:
        return tuple(title for group in self.groups for title in group.columns)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for group in self.groups for key in group.keys)


def load_published(path: Path) -> PublishedTable:
    """Reads and checks a file of published numbers."""
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return PublishedTable.model_validate(YAML(typ="safe", pure=True).load(path))
    except (ValidationError, YAMLError) as error:
        raise UserError(f"{path}: not a table of published numbers: {' '.join(str(error).split())}") from None


def published_table(published: PublishedTable) -> Table:
    """The published numbers as a `Table`, which derives the averages and differences."""
    index = {row.name: number for number, row in enumerate(published.rows)}
    width = len(published.column_titles)

    def section(block: PublishedSection) -> Section:
        deltas = tuple(Delta("Δ", index[first], index[second], (None,) * width) for first, second in block.delta)
        return Section((*(row_of(published, row) for row in block.rows), *deltas), block.title)

    return Table(
        title=published.title,
        columns=_columns(published),
        sections=tuple(section(block) for block in published.sections),
        label=published.label,
        notes=(f"Published numbers: {published.source}.", *_derived(published), *published.notes),
        row_header=published.row_header,
        heading=published.heading,
        stacked=published.stacked,
        ranked=published.ranked,
        zero=published.zero,
    )


def row_of(published: PublishedTable, row: PublishedRow) -> Row:
    """Every cell with the table, row and column where it is printed."""
    source = ", ".join(part for part in (published.paper, row.source) if part)
    titles = published.column_titles
    cells = tuple(_cell(value, f'{source}, column "{title}"') for value, title in zip(row.values, titles, strict=True))
    stated = None if row.average is None else _published(row.average, f"{source}, the average as printed")
    return Row(row.title + (STATED if stated else ""), cells, stated)


STATED = " †"
"""Marks the title of a row whose average is its source's own."""

STATED_NOTE = "† The average is the one that the source prints; what it is the mean of is not known here."


def _derived(published: PublishedTable) -> Iterator[str]:
    averages = published.overall or any(group.average for group in published.groups)
    kinds = [("Averages", averages), ("differences", any(section.delta for section in published.sections))]
    if derived := [name for name, there in kinds if there]:
        yield f"{' and '.join(derived).capitalize()} are derived from them."
    if any(row.average is not None for row in published.rows):
        yield STATED_NOTE


def _cell(percentage: float | None, source: str) -> Cell:
    return None if percentage is None else _published(percentage, source)


def _published(percentage: float, source: str) -> Published:
    return Published(Fraction(str(percentage)) / 100, source)


def _columns(published: PublishedTable) -> tuple[Column, ...]:
    columns: list[Column] = []
    for group in published.groups:
        first = len(columns)
        columns += [Column(title, group.title) for title in group.columns]
        if group.average:
            heading = "" if group.average == "apart" else group.title
            columns.append(Column("Avg", heading, tuple(range(first, len(columns)))))
    if published.overall:
        plain = tuple(place for place, column in enumerate(columns) if not column.mean_of)
        columns.append(Column(published.overall, "", plain))
    return tuple(columns)
