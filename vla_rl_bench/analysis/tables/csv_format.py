"""A `Table` -> comma-separated values: one header line, a line for each row and difference, numbers that parse.

A missing figure is an empty cell.  Where the table shows more than rates, each column is followed by what it shows:
``goal``, ``goal low``, ``goal high`` and so on.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from fractions import Fraction

from vla_rl_bench.analysis.statistics.intervals import points_text
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench.analysis.tables.model import Delta, Row, Shows, Table, Value

_FURTHER: dict[Shows, tuple[str, ...]] = {
    "rates": (),
    "interval": ("low", "high"),
    "counts": ("successes", "episodes", "low", "high"),
    "seeds": ("mean", "deviation", "seeds"),
}


def comma_separated(table: Table) -> str:
    """Percentages as the other formats print them; ``published`` says which rows were not measured here."""
    written = io.StringIO()
    sheet = csv.writer(written, lineterminator="\n")
    sheet.writerow(["section", table.row_header or "row", "kind", *_header(table)])
    for section in table.sections:
        for line in section.lines:
            kind = "difference" if not isinstance(line, Row) else _kind(table, line)
            sheet.writerow([section.title, line.title, kind, *_line(table, line)])
    return written.getvalue()


def _kind(table: Table, row: Row) -> str:
    values = (table.value(row, column) for column in range(len(table.columns)))
    known = [value for value in values if value is not None]
    return "published" if any(value.source for value in known) else "measured" if known else "missing"


def _header(table: Table) -> Iterator[str]:
    """Several groups may have columns of one name (``Avg``), so the group is named too."""
    several = len({column.group for column in table.columns if column.group}) > 1
    for column in table.columns:
        name = f"{column.group}: {column.title}" if several and column.group else column.title
        yield name
        yield from (f"{name} {further}" for further in _FURTHER[table.shows])


def _line(table: Table, line: Row | Delta) -> Iterator[str]:
    for column in range(len(table.columns)):
        value = table.value(line, column)
        fields = {} if value is None else _fields(value, isinstance(line, Delta))
        figure = fields.get("figure", "")
        yield table.zero if figure == "0.0" and isinstance(line, Row) else figure
        yield from (fields.get(further, "") for further in _FURTHER[table.shows])


def _fields(value: Value, signed: bool) -> dict[str, str]:
    fields = {"figure": points_text(value.exact, signed=signed)}
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
