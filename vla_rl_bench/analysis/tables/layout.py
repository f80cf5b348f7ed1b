"""The lines of a table from top to bottom, as every format sets them: groups, header, sections, rows, differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Literal

from vla_rl_bench.analysis.statistics.intervals import round_half_up
from vla_rl_bench.analysis.tables.cells import cell_texts
from vla_rl_bench.analysis.tables.model import Column, Delta, Row, Section, Table

Kind = Literal["groups", "header", "section", "row", "delta"]


@dataclass(frozen=True)
class Entry:
    """The content of one place, or of several neighboring places."""

    text: str
    span: int = 1  # number of places
    bold: bool = False
    source: str = ""  # of a published rate


@dataclass(frozen=True)
class Line:
    """One line: a title, then an entry per column."""

    kind: Kind
    entries: tuple[Entry, ...]
    ruled: bool = False  # a rule separates it from the line above
    reference: bool = False  # in a section of published rows


def groups(columns: Sequence[Column]) -> list[tuple[str, list[int]]]:
    """Each group of neighboring columns: its title and the columns' indices."""
    grouped = groupby(range(len(columns)), lambda index: columns[index].group)
    return [(group, list(members)) for group, members in grouped]


def lines(table: Table, columns: Sequence[int] | None = None) -> list[Line]:
    """Lay out a table, or only some of its columns."""
    indices = list(range(len(table.columns))) if columns is None else list(columns)
    chosen = [table.columns[index] for index in indices]
    layout: list[Line] = []
    if any(column.group for column in chosen):
        spans = [Entry(group, len(members)) for group, members in groups(chosen)]
        layout.append(Line("groups", (Entry(""), *spans)))
    layout.append(Line("header", (Entry(table.row_header), *(Entry(column.title) for column in chosen))))
    for section in table.sections:
        if section.title:
            title = Entry(section.title, len(chosen) + 1)
            layout.append(Line("section", (title,), ruled=True, reference=section.reference))
        best = {index: _best(table, section, index) for index in indices}
        for number, line in enumerate(section.lines):
            entries = [Entry(line.title)]
            for index, text in zip(indices, cell_texts(table, line, indices), strict=True):
                value = table.value(line, index)
                bold = isinstance(line, Row) and best[index] is not None and _printed(table, line, index) == best[index]
                entries.append(Entry(text, bold=bold, source=value.source if value else ""))
            kind: Kind = "delta" if isinstance(line, Delta) else "row"
            layout.append(Line(kind, tuple(entries), ruled=number == 0, reference=section.reference))
    return layout


def _best(table: Table, section: Section, column: int) -> Fraction | None:
    """The highest printed rate of a section; None if the table is not ranked or all rates are equal."""
    if not table.ranked or section.reference:
        return None
    rates = {_printed(table, line, column) for line in section.lines if isinstance(line, Row)} - {None}
    return max(rate for rate in rates if rate is not None) if len(rates) > 1 else None


def _printed(table: Table, row: Row, column: int) -> Fraction | None:
    value = table.value(row, column)
    return None if value is None else round_half_up(100 * value.exact)
