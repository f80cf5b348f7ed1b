"""A table -> lines of entries, as LaTeX and HTML set them: headings, groups, blocks one under another, rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from vla_rl_bench.analysis.tables.cells import figures
from vla_rl_bench.analysis.tables.model import Column, Delta, Row, Section, Table
from vla_rl_bench.analysis.tables.ranking import Mark, marks

REFERENCE = "(published)"

Kind = Literal["heading", "groups", "header", "section", "row", "delta", "summary"]


@dataclass(frozen=True)
class Entry:
    """What stands in one place, or over `span` places.  source: where a published figure was printed."""

    text: str
    span: int = 1
    mark: Mark = ""
    source: str = ""


@dataclass(frozen=True)
class Line:
    """ruled: a rule separates it from the line above."""

    kind: Kind
    entries: tuple[Entry, ...]
    ruled: bool = False
    reference: bool = False


def groups(columns: Sequence[Column]) -> list[tuple[str, list[int]]]:
    """Neighbouring columns of one group: the group's title, the columns' indices."""
    grouped = groupby(range(len(columns)), lambda index: columns[index].group)
    return [(group, list(members)) for group, members in grouped]


def blocks(table: Table) -> list[tuple[str, list[int]]]:
    """What stands under one header: everything, or in a stacked table a group; see `summaries` for the rest."""
    if not table.stacked:
        return [("", list(range(len(table.columns))))]
    return [(title, members) for title, members in groups(table.columns) if title]


def summaries(table: Table) -> list[int]:
    """The columns of a stacked table that belong to no group: they become lines at its end."""
    if not table.stacked:
        return []
    return [index for index, column in enumerate(table.columns) if not column.group]


def width(table: Table) -> int:
    """How many figures stand side by side."""
    return max(len(members) for _, members in blocks(table))


def sections(table: Table, members: Sequence[int]) -> list[Section]:
    """What stands under a header: every section, but no reference that has nothing in these columns."""
    return [
        section
        for section in table.sections
        if not section.reference or any(table.value(line, index) for line in section.lines for index in members)
    ]


def lines(table: Table) -> list[Line]:
    """The whole table, top to bottom; every line spans the title and `width` figures."""
    full = width(table) + 1
    found: list[Line] = []
    if table.heading:
        found.append(Line("heading", (Entry(""), Entry(table.heading, full - 1))))
    for title, members in blocks(table):
        if title:
            found.append(Line("section", (Entry(title, full),), ruled=len(found) > bool(table.heading)))
        elif any(column.group for column in table.columns):
            found.append(_group_line(table))
        found.append(_padded("header", [table.row_header, *(table.columns[index].title for index in members)], full))
        if title:
            found[-1] = Line("header", found[-1].entries, ruled=True)
        found += _body(table, members, full)
    for index in summaries(table):
        found += _summary(table, index, full)
    return found


def _group_line(table: Table) -> Line:
    spans = [Entry(group, len(members)) for group, members in groups(table.columns)]
    return Line("groups", (Entry(""), *spans))


def _padded(kind: Kind, texts: Sequence[str], full: int) -> Line:
    return Line(kind, tuple(Entry(text) for text in (*texts, *[""] * (full - len(texts)))))


def _body(table: Table, members: Sequence[int], full: int) -> Iterator[Line]:
    for section in sections(table, members):
        if section.title:
            yield Line("section", (Entry(section.title, full),), ruled=True, reference=section.reference)
        for place, line in enumerate(section.lines):
            kind: Kind = "delta" if isinstance(line, Delta) else "row"
            entries = (Entry(line.title), *_figures(table, line, members))
            blank = (Entry(""),) * (full - len(entries))
            yield Line(kind, (*entries, *blank), ruled=place == 0, reference=section.reference)


def _figures(table: Table, line: Row | Delta, members: Sequence[int]) -> Iterator[Entry]:
    texts, marked = figures(table, line, members), marks(table, line, members)
    for index, text, mark in zip(members, texts, marked, strict=True):
        value = table.value(line, index)
        yield Entry(text, mark=mark, source=value.source if value else "")


def _summary(table: Table, column: int, full: int) -> Iterator[Line]:
    """``Overall Avg | π₀: 49.2 | RDT: 33.3 ...``, as many as fit; differences under their minuends.

    Published reference rows have lines of their own.
    """
    deltas = {id(table.rows[line.minuend]): line for line in table.lines if isinstance(line, Delta)}
    for section in sections(table, [column]):
        title = REFERENCE if section.reference else table.columns[column].title
        rows = [line for line in section.lines if isinstance(line, Row)]
        for first in range(0, len(rows), full - 1):
            shown = rows[first : first + full - 1]
            blank = (Entry(""),) * (full - 1 - len(shown))
            entries = [_figure(table, row, column, f"{row.title}: ") for row in shown]
            yield Line("summary", (Entry("" if first else title), *blank, *entries), not first, section.reference)
            if any(id(row) in deltas for row in shown):
                below = [_figure(table, deltas[id(row)], column) if id(row) in deltas else Entry("") for row in shown]
                yield Line("summary", (Entry(""), *blank, *below))


def _figure(table: Table, line: Row | Delta, column: int, before: str = "") -> Entry:
    return Entry(before + figures(table, line, [column])[0], mark=marks(table, line, [column])[0])
