"""Key numbers at the top of the page: success of each arm, and each difference with its verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vla_rl_bench.analysis.plots.style import arm_styles
from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.analysis.statistics.intervals import interval_text
from vla_rl_bench.analysis.statistics.verdict import Verdict, verdict
from vla_rl_bench.analysis.tables.build import final_episodes, select_evaluation, starts_per_task
from vla_rl_bench.analysis.tables.cells import MINUS, cell_texts
from vla_rl_bench.analysis.tables.model import Delta, Row, Table

_VERDICTS = {
    Verdict.RECIPES_DIFFER: "significant, also for other seeds and starts",
    Verdict.POLICIES_DIFFER: "significant for these policies, not for other seeds",
    Verdict.NO_DIFFERENCE: "no significant difference",
}
_ONE_SEED = "significant for these policies; one seed says nothing about other seeds"
NAMED_COLUMNS = 6  # more columns are counted, not named


@dataclass(frozen=True)
class KeyNumber:
    """A number in large print: a success rate in percent, or a difference in points."""

    title: str
    text: str
    note: str  # interval, or the reason why the number is missing
    color: str
    is_difference: bool
    verdict: str = ""


def key_numbers(results: SuiteRuns, table: Table) -> list[KeyNumber]:
    """Read success and differences off one column of the table (`scope_text`)."""
    return [_key_number(results, table, line, _column(table)) for line in table.lines]


def scope_text(table: Table) -> str:
    """Name the column of the key numbers."""
    column = table.columns[_column(table)]
    of = f"mean of {_count(len(column.mean_of), 'column')}" if column.mean_of else f"column {column.title}"
    return f"Success in %, {of}; in brackets 95% intervals."


def _column(table: Table) -> int:
    """Index of the mean over columns, if it is complete, else of the most complete column."""

    def completeness(index: int) -> tuple[int, bool, int]:
        values = sum(1 for line in table.lines if table.value(line, index))
        return values, bool(table.columns[index].mean_of), -index

    return max(range(len(table.columns)), key=completeness)


def _key_number(results: SuiteRuns, table: Table, line: Row | Delta, column: int) -> KeyNumber:
    styles = arm_styles(results.suite)  # an arm per row, in the table's order
    if isinstance(line, Delta):
        style = styles[line.minuend]
        title = f"{style.title} − {styles[line.subtrahend].title}"
    else:
        style = next(style for style, row in zip(styles, table.rows, strict=False) if row is line)
        title = style.title
    number = KeyNumber(title, "–", "seeds or columns are missing", style.color, isinstance(line, Delta))
    value = table.value(line, column)
    if value is None:
        return number
    text = cell_texts(replace(table, shows="rates", delta_intervals=False), line, [column])[0]
    interval = interval_text(value.interval, signed=number.is_difference) if value.interval else ""
    judged = verdict(value.difference) if value.difference else None
    one_seed = judged is Verdict.POLICIES_DIFFER and len(results.suite.seeds) == 1
    words = _ONE_SEED if one_seed else _VERDICTS[judged] if judged else ""
    return replace(number, text=text, note=interval.replace("-", MINUS), verdict=words)


def summary_text(results: SuiteRuns) -> str:
    """Describe the suite in a sentence."""
    suite = results.suite
    episodes = final_episodes(results.episodes, suite, select_evaluation(suite))
    columns = ", ".join(suite.columns) if len(suite.columns) <= NAMED_COLUMNS else f"{len(suite.columns)} columns"
    return (
        f"{_count(len(suite.arms), 'arm')} on {columns} of {suite.environment.name}, policy {suite.policy.name}, "
        f"{_count(len(suite.seeds), 'seed')}; evaluated on {starts_per_task(episodes, suite.evaluation)}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
