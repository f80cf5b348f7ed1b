"""What stands in a table's cells, as Unicode text: every format lays out these, none rounds for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from vla_rl_bench.analysis.statistics.intervals import Interval, interval_text, points_text
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench.analysis.tables.model import Delta, Row, Shows, Table, Value

MISSING, MINUS = "–", "−"

_TITLES: dict[Shows, str] = {
    "rates": "",
    "interval": ": intervals",
    "counts": ": counts and intervals",
    "seeds": ": over seeds",
}
_NOTES: dict[Shows, str] = {
    "rates": "",
    "interval": (
        "In brackets 95% intervals in %: Wilson's, at the number of episodes that clustering by start leaves; of "
        "differences {}."
    ),
    "counts": (
        "Successes/episodes over all seeds, with 95% intervals in %: Wilson's, at the number of episodes that "
        "clustering by start leaves; of differences {}."
    ),
    "seeds": (
        "Mean over seeds ± sample standard deviation between seeds, with Student's 95% interval, in %; of differences "
        "the interval {}."
    ),
}


def _note(table: Table, shows: Shows) -> str:
    return _NOTES[shows].format("over other seeds and starts" if table.seeds > 1 else "paired by start")


def showing(table: Table, shows: Shows) -> Table:
    """The same table with other figures in it: counts and intervals, or means over seeds."""
    title, label = table.title + _TITLES[shows], f"{table.label}:{shows}"
    return replace(table, shows=shows, title=title, label=label, notes=(_note(table, shows),))


def shown_as(table: Table, shows: Shows) -> Table:
    """The table itself with other figures in its cells, under all its notes; published cells have only their rate."""
    note = (_note(table, shows),) if table.seeds and shows != "rates" else ()
    label = table.label if shows == "rates" else f"{table.label}:as-{shows}"
    return replace(table, shows=shows, label=label, notes=(*table.notes, *note))


def in_detail(table: Table) -> list[Table]:
    """The table, then its counts with intervals where they are known, then its seeds where there are several."""
    further: list[Shows] = ["counts", "seeds"] if table.seeds > 1 else ["counts"] if table.seeds else []
    return [table, *(showing(table, shows) for shows in further)]


def figures(table: Table, line: Row | Delta, columns: Iterable[int] | None = None) -> list[str]:
    """The text in each of the line's `columns`; in all of them by default."""
    places = range(len(table.columns)) if columns is None else columns
    signed = isinstance(line, Delta)
    figure = _counts if signed and table.delta_intervals and table.shows == "rates" else _FIGURES[table.shows]
    return [_text(table, figure, table.value(line, column), signed) for column in places]


def _text(table: Table, figure: Callable[[Value, bool], str], value: Value | None, signed: bool) -> str:
    if value is None:
        return MISSING
    text = figure(value, signed)
    return (table.zero if text == "0.0" and not signed else text) + value.mark


def _rate(value: Value, signed: bool) -> str:
    return _points(value.exact, signed)


def _with_interval(value: Value, signed: bool) -> str:
    figure = _rate(value, signed)
    return f"{figure} {_interval(value.interval, signed)}" if value.interval else figure


def _counts(value: Value, signed: bool) -> str:
    figure = "{}/{}".format(*value.counts) if value.counts else _rate(value, signed)
    return f"{figure} {_interval(value.interval, signed)}" if value.interval else figure


def _seeds(value: Value, signed: bool) -> str:
    if not value.by_seed:
        return _rate(value, signed)
    summary = summarize_seeds([float(rate) for rate in value.by_seed])
    figure = _points(sum(value.by_seed, Fraction()) / len(value.by_seed), signed)
    interval = (value.interval if signed else value.over_seeds) or summary.interval
    if summary.deviation is None or interval is None:
        return figure
    possible = interval.clip(-1.0 if signed else 0.0, 1.0)
    return f"{figure} ± {_points(summary.deviation)} {_interval(possible, signed)}"


_FIGURES: dict[Shows, Callable[[Value, bool], str]] = {
    "rates": _rate,
    "interval": _with_interval,
    "counts": _counts,
    "seeds": _seeds,
}


def _interval(interval: Interval, signed: bool) -> str:
    return interval_text(interval, signed=signed).replace("-", MINUS)


def _points(rate: Fraction | float, signed: bool = False) -> str:
    """In percent, with a typographic minus sign: ``7.8``; signed ``+7.8``, ``−0.4``, ``0.0``."""
    return points_text(rate, signed=signed).replace("-", MINUS)
