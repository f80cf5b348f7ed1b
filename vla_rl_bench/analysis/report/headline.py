"""What was asked and what came out, before anything else on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vla_rl_bench.analysis.report.palette import arms
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.analysis.statistics.comparison import common_start_counts, compare
from vla_rl_bench.analysis.statistics.verdict import Verdict, verdict
from vla_rl_bench.analysis.tables.build import final_episodes, select, starts_per_task
from vla_rl_bench.analysis.tables.cells import figures
from vla_rl_bench.analysis.tables.model import Delta, Row, Shows, Table

_VERDICTS = {
    Verdict.RECIPES_DIFFER: "significant, also for other seeds and starts",
    Verdict.POLICIES_DIFFER: "significant for these policies, not for other seeds",
    Verdict.NO_DIFFERENCE: "no significant difference",
}
_ONE_SEED = "significant for these policies; one seed says nothing about other seeds"
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
    return [_key(evidence, table, line, place) for line in table.lines]


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


def _key(evidence: Evidence, table: Table, line: Row | Delta, place: int) -> Key:
    named = arms(evidence.suite)  # an arm a row, in the table's order
    rows, difference = table.rows, isinstance(line, Delta)
    of = line.minuend if isinstance(line, Delta) else next(i for i, row in enumerate(rows) if row is line)
    title = f"{named[of].title} − {named[line.subtrahend].title}" if isinstance(line, Delta) else named[of].title
    colour = named[of].colour
    value = table.value(line, place)
    if value is None:
        return Key(title, "–", "", colour, difference, reason=NOTHING)
    plain = figures(_rates(table), line, [place])[0]
    shown = figures(_rates(table, "interval"), line, [place])[0].removeprefix(plain).strip()
    columns = [table.columns[index].title for index in table.columns[place].mean_of or (place,)]
    judged = _verdict(evidence, line, columns) if isinstance(line, Delta) else ""
    return Key(title, plain, shown, colour, difference, judged)


def _rates(table: Table, shows: Shows = "rates") -> Table:
    return replace(table, shows=shows, delta_intervals=False)


def _verdict(evidence: Evidence, line: Delta, columns: Sequence[str]) -> str:
    """As ``vla-rl-bench compare`` finds it, on the table's episodes."""
    suite = evidence.suite
    episodes = final_episodes(evidence.episodes, suite, select(suite))
    second, first = (episodes[episodes["arm"] == suite.arms[arm].name] for arm in (line.minuend, line.subtrahend))
    pairs = {}
    for name in columns:
        sides = [common_start_counts(side[side["column"] == name]) for side in (first, second)]
        pairs[name] = (sides[0], sides[1])
    judged = verdict(compare(pairs).mean)
    return _ONE_SEED if judged is Verdict.POLICIES_DIFFER and len(suite.seeds) == 1 else _VERDICTS[judged]


def asked(evidence: Evidence) -> str:
    """The suite in a sentence."""
    suite = evidence.suite
    episodes = final_episodes(evidence.episodes, suite, select(suite))
    columns = ", ".join(suite.columns) if len(suite.columns) <= NAMED else f"{len(suite.columns)} columns"
    return (
        f"{_count(len(suite.arms), 'arm')} on {columns} of {suite.environment.name}, policy {suite.policy.name}, "
        f"{_count(len(suite.seeds), 'seed')}; evaluated on {starts_per_task(episodes, suite.evaluation)}."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
