"""Which figures a ranked table sets apart: the best of each section in bold, the second best underlined."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from vla_rl_bench.analysis.statistics.intervals import round_half_up
from vla_rl_bench.analysis.tables.model import Delta, Row, Section, Table

Mark = Literal["", "bold", "underline"]


def marks(table: Table, line: Row | Delta, columns: Iterable[int] | None = None) -> list[Mark]:
    """The mark of each of the line's figures, in the order of `figures`; differences are bold in a ranked table."""
    places = list(range(len(table.columns)) if columns is None else columns)
    section = next(one for one in table.sections if any(line is other for other in one.lines))
    if not table.ranked or section.reference:
        return [""] * len(places)
    if isinstance(line, Delta):
        return ["bold" if table.value(line, place) else "" for place in places]
    return [_mark(table, section, line, place) for place in places]


def _mark(table: Table, section: Section, row: Row, column: int) -> Mark:
    """Figures that print alike share a mark; a second best takes at least three rows, a best at least two values."""
    printed = [_printed(table, other, column) for other in section.lines if isinstance(other, Row)]
    known = sorted({value for value in printed if value is not None}, reverse=True)
    own = _printed(table, row, column)
    if own is None or len(known) < 2:
        return ""
    if own == known[0]:
        return "bold"
    return "underline" if own == known[1] and len(printed) > 2 else ""


def _printed(table: Table, row: Row, column: int) -> Fraction | None:
    value = table.value(row, column)
    return None if value is None else round_half_up(100 * value.exact)
