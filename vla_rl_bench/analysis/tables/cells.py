"""The text of a table's cells, in Unicode: every format arranges these texts, and none rounds by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from vla_rl_bench.analysis.statistics.intervals import Interval, interval_text, points_text
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench.analysis.statistics.verdict import Verdict, verdict
from vla_rl_bench.analysis.tables.model import Delta, Row, Shows, Table, Value

MISSING, MINUS = "–", "−"
VERDICT_MARKS = {
    Verdict.RECIPES_DIFFER: "*",
    Verdict.RECIPES_DIFFER_UNCORRECTED: "(*)",
    Verdict.POLICIES_DIFFER: "°",
    Verdict.NO_DIFFERENCE: "",
}

_WILSON = (
    "95% intervals in %: Wilson's, at the effective number of episodes (episodes on the same start are correlated)"
)
_TITLES: dict[Shows, str] = {
    "rates": "",
    "interval": ": intervals",
    "counts": ": counts and intervals",
    "seeds": ": over seeds",
}
_NOTES: dict[Shows, str] = {
    "rates": "",
    "interval": f"In brackets: {_WILSON}. Intervals of differences: {{}}.",
    "counts": f"Successes/episodes over all seeds. In brackets: {_WILSON}. Intervals of differences: {{}}.",
    "seeds": (
        "Mean over seeds ± sample standard deviation between seeds. In brackets: Student's 95% interval in %. "
        "Intervals of differences: {}."
    ),
}


def _note(table: Table, shows: Shows) -> str:
    return _NOTES[shows].format("for other seeds and starts" if table.seeds > 1 else "paired by start")


def with_cells(table: Table, shows: Shows) -> Table:
    """The table with other content in its cells; published cells have only their rate."""
    note = (_note(table, shows),) if table.seeds and shows != "rates" else ()
    label = table.label if shows == "rates" else f"{table.label}:as-{shows}"
    return replace(table, shows=shows, label=label, notes=(*table.notes, *note))


def detail_table(table: Table, shows: Shows) -> Table:
    """A further table, with counts and intervals or means over seeds, under a title and a note of its own."""
    title, label = table.title + _TITLES[shows], f"{table.label}:{shows}"
    return replace(table, shows=shows, title=title, label=label, notes=(_note(table, shows),), comparisons=0)


def with_detail_tables(table: Table) -> list[Table]:
    """The table, then its counts with intervals if they are known, then its means over seeds if there are several."""
    details: list[Shows] = ["counts", "seeds"] if table.seeds > 1 else ["counts"] if table.seeds else []
    return [table, *(detail_table(table, shows) for shows in details)]


def cell_texts(table: Table, line: Row | Delta, columns: Iterable[int] | None = None) -> list[str]:
    """The text of a line in each of these columns; in all of them by default."""
    indices = range(len(table.columns)) if columns is None else columns
    return [_text(table, table.value(line, column), isinstance(line, Delta)) for column in indices]


def _text(table: Table, value: Value | None, signed: bool) -> str:
    if value is None:
        return MISSING
    shows = "interval" if signed and table.delta_intervals and table.shows == "rates" else table.shows
    text = _seeds_text(value, signed) if shows == "seeds" and value.by_seed else _rate_text(value, shows, signed)
    if table.comparisons and value.difference is not None:
        text += VERDICT_MARKS[verdict(value.difference, comparisons=table.comparisons)]
    return text + value.mark


def _rate_text(value: Value, shows: Shows, signed: bool) -> str:
    text = "{}/{}".format(*value.counts) if shows == "counts" and value.counts else _points(value.exact, signed)
    return f"{text} {_interval(value.interval, signed)}" if value.interval and shows in ("interval", "counts") else text


def _seeds_text(value: Value, signed: bool) -> str:
    summary = summarize_seeds([float(rate) for rate in value.by_seed])
    text = _points(sum(value.by_seed, Fraction()) / len(value.by_seed), signed)
    interval = (value.interval if signed else value.over_seeds) or summary.interval
    if summary.deviation is None or interval is None:
        return text
    possible = interval.clip(-1.0 if signed else 0.0, 1.0)
    return f"{text} ± {_points(summary.deviation)} {_interval(possible, signed)}"


def _interval(interval: Interval, signed: bool) -> str:
    return interval_text(interval, signed=signed).replace("-", MINUS)


def _points(rate: Fraction | float, signed: bool = False) -> str:
    """Write a rate in percent with a typographic minus sign: ``7.8``; signed ``+7.8``, ``−0.4``, ``0.0``."""
    return points_text(rate, signed=signed).replace("-", MINUS)
