"""What was asked and what came out, before anything else on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vla_rl_bench.report.palette import Arm, arms
from vla_rl_bench.report.sources import Evidence
from vla_rl_bench.tables.figures import figures
from vla_rl_bench.tables.model import Delta, Row, Shows, Table, Value

NAMED = 6  # columns at most that are called by their names
NOTHING = "seeds or columns are missing"


@dataclass(frozen=True)
class Key:
    """A figure in large print.  difference: between two arms, in points.  verdict: what a difference says, in words."""

    title: str
    figure: str
    interval: str
    colour: str
    difference: bool = False
    verdict: str = ""
    reason: str = ""


def keys(evidence: Evidence, table: Table) -> list[Key]:
    """Every arm's success, and every difference that the suite asks for, in the place that `scope` names."""
    place = _place(table)
    return [_key(table, line, place, arms(evidence.suite)) for line in table.lines]


def scope(table: Table) -> str:
    """What the keys are of."""
    column = table.columns[_place(table)]
    of = f"mean of {len(column.mean_of)} columns" if column.mean_of else f"column {column.title}"
    return f"Success in %, {of}; in brackets 95% intervals."


def _place(table: Table) -> int:
    """The mean over columns, else the first column that has everything, else the one that has most."""
    means = [index for index, column in enumerate(table.columns) if column.mean_of]
    order = [*means, *(index for index in range(len(table.columns)) if index not in means)]
    return max(
        order, key=lambda index: (sum(1 for line in table.lines if table.value(line, index)), -order.index(index))
    )


def _key(table: Table, line: Row | Delta, place: int, named: Sequence[Arm]) -> Key:
    """named: an arm a row, in the table's order."""
    rows, difference = table.rows, isinstance(line, Delta)
    of = line.minuend if isinstance(line, Delta) else next(i for i, row in enumerate(rows) if row is line)
    title = f"{named[of].title} − {named[line.subtrahend].title}" if isinstance(line, Delta) else named[of].title
    colour = named[of].colour
    value = table.value(line, place)
    if value is None:
        return Key(title, "–", "", colour, difference, reason=NOTHING)
    plain = figures(_rates(table), line, [place])[0]
    shown = figures(_rates(table, "interval"), line, [place])[0].removeprefix(plain).strip()
    return Key(title, plain, shown, colour, difference, _verdict(value) if difference else "")


def _rates(table: Table, shows: Shows = "rates") -> Table:
    return replace(table, shows=shows, delta_intervals=False)


def _verdict(value: Value) -> str:
    if value.interval is None:
        return ""
    told = "cannot" if value.interval.low <= 0 <= value.interval.high else "can"
    return f"{told} be told from noise"


def asked(evidence: Evidence) -> str:
    """The suite in a sentence."""
    suite, evaluation = evidence.suite, evidence.suite.evaluation
    columns = ", ".join(suite.columns) if len(suite.columns) <= NAMED else f"{len(suite.columns)} columns"
    return (
        f"{_count(len(suite.arms), 'arm')} on {columns} of {suite.environment.name}, policy {suite.policy.name}, "
        f"{_count(len(suite.seeds), 'seed')}; evaluated on {evaluation.per_task} {evaluation.starts} starts a task."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
