"""A `Table` as comma-separated values: one header line, a line for each row and difference, numbers that parse.

A missing rate is an empty cell.  Counts, ends of intervals and means over seeds have columns of their own after each
column: ``goal``, ``goal low``, ``goal high``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from fractions import Fraction

from vla_rl_bench.analysis.statistics.intervals import points_text
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench.analysis.tables.model import Delta, Row, Shows, Table, Value

_DETAILS: dict[Shows, tuple[str, ...]] = {
    "rates": (),
    "interval": ("low", "high"),
    "counts": ("successes", "episodes", "low", "high"),
    "seeds": ("mean", "deviation", "seeds"),
}


def comma_separated(table: Table) -> str:
    """Set percentages as the other formats print them; the kind of rows from publications is ``published``."""
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(["section", table.row_header or "row", "kind", *_header(table)])
    for section in table.sections:
        for line in section.lines:
            kind = "difference" if not isinstance(line, Row) else _kind(table, line)
            sheet.writerow([section.title, line.title, kind, *_line(table, line)])
    return text.getvalue()


def _kind(table: Table, row: Row) -> str:
    values = [value for column in range(len(table.columns)) if (value := table.value(row, column)) is not None]
    return "published" if any(value.source for value in values) else "measured" if values else "missing"


def _header(table: Table) -> Iterator[str]:
    """The names of the columns; with several groups the group's too, since each may have an ``Avg``."""
    has_groups = len({column.group for column in table.columns if column.group}) > 1
    for column in table.columns:
        name = f"{column.group}: {column.title}" if has_groups and column.group else column.title
        yield name
        yield from (f"{name} {detail}" for detail in _DETAILS[table.shows])


def _line(table: Table, line: Row | Delta) -> Iterator[str]:
    for column in range(len(table.columns)):
        value = table.value(line, column)
        fields = {} if value is None else _fields(value, isinstance(line, Delta))
        yield fields.get("rate", "")
        yield from (fields.get(detail, "") for detail in _DETAILS[table.shows])


def _fields(value: Value, signed: bool) -> dict[str, str]:
    fields = {"rate": points_text(value.exact, signed=signed)}
    if value.interval:
        low, high = (points_text(end, signed=signed) for end in (value.interval.low, value.interval.high))
        fields |= {"low": low, "high": high}
    if value.counts:
        fields |= {"successes": str(value.counts[0]), "episodes": str(value.counts[1])}
    if value.by_seed:
        summary = summarize_seeds([float(rate) for rate in value.by_seed])
        mean = sum(value.by_seed, Fraction()) / len(value.by_seed)
        fields |= {"mean": points_text(mean, signed=signed), "seeds": str(summary.seeds)}
        if summary.deviation is not None:
            fields["deviation"] = points_text(summary.deviation)
    return fields
