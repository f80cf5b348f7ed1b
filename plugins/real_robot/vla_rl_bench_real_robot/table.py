"""The table of a sheet: models are rows, tasks are columns, then their mean; differences follow their models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np

from vla_rl_bench.analysis.statistics.comparison import Difference, Pair, StartCounts
from vla_rl_bench.analysis.tables.model import Cell, Column, Delta, Measured, Row, Section, Shows, Table
from vla_rl_bench.analysis.tables.published import PublishedTable
from vla_rl_bench.analysis.tables.reference_rows import with_reference_rows
from vla_rl_bench_real_robot.sheet import Sheet

ENVIRONMENT = "real-robot"
"""The environment that published tables of trials on robots name."""

FEWER = "*"

_NOTES: dict[Shows, str] = {
    "interval": "In brackets 95% intervals in %: Wilson's; of differences {}.",
    "counts": "Successes/trials, with 95% intervals in %: Wilson's; of differences {}.",
}


def sheet_table(sheet: Sheet, shows: Shows = "rates", references: Sequence[PublishedTable] = ()) -> Table:
    """Build the table; a cell without trials is empty, one with fewer than planned is marked.

    Args:
        sheet: The sheet; every trial that counts is in the table.
        shows: The content of a cell.
        references: Published tables, each in a labeled block of its own; tasks of the same name share a column.
    """
    plan = sheet.plan
    keys = {key for published in references for key in published.keys}
    tasks = [_key(task) if _key(task) in keys else task for task in plan.tasks]
    table = Table(
        title=plan.title,
        columns=(*(Column(task) for task in tasks), Column("Avg", mean_of=tuple(range(len(tasks))))),
        sections=(Section(tuple(_rows(sheet))),),
        label="tab:trials",
        notes=tuple(_notes(sheet, shows)),
        shows=shows,
    )
    return with_reference_rows(table, ENVIRONMENT, references) if references else table


def _key(task: str) -> str:
    """The key of a task's name, as ``stack_bowls`` for ``Stack Bowls``."""
    return re.sub(r"\W+", "_", task.lower()).strip("_")


def _rows(sheet: Sheet) -> Iterator[Row | Delta]:
    plan = sheet.plan
    for model in plan.models:
        yield Row(model, tuple(_cell(sheet, task, model) for task in plan.tasks))
        yield from (_delta(sheet, pair) for pair in plan.delta if pair[0] == model)


def _cell(sheet: Sheet, task: str, model: str) -> Cell:
    outcomes = sheet.successes(task, model)
    if not outcomes:
        return None
    counts = _counts(outcomes, 0).pooled
    mark = FEWER if len(outcomes) < sheet.plan.trials else ""
    return Measured(counts, (Fraction(counts.successes, counts.n),), mark)


def _delta(sheet: Sheet, pair: tuple[str, str]) -> Delta:
    plan = sheet.plan
    pairs = [_pair(sheet, task, pair) for task in plan.tasks]
    title = "Δ" if len(plan.delta) == 1 else f"Δ to {pair[1]}"
    return Delta(
        title,
        plan.models.index(pair[0]),
        plan.models.index(pair[1]),
        lambda columns: _difference([pairs[column] for column in columns]),
    )


def _pair(sheet: Sheet, task: str, pair: tuple[str, str]) -> Pair | None:
    """Count the trials of two models: the rounds are the starts of a paired plan; None without trials."""
    minuend, subtrahend = (sheet.successes(task, model) for model in pair)
    if not minuend or not subtrahend:
        return None
    return _counts(subtrahend, 0), _counts(minuend, 0 if sheet.plan.paired else 1)


def _counts(outcomes: Mapping[int, bool], group: int) -> StartCounts:
    """Count one trial per round; the rounds of different groups are different starts."""
    successes = np.array([[int(success) for success in outcomes.values()]])
    return StartCounts((0,), tuple((group, number) for number in outcomes), successes, np.ones_like(successes))


def _difference(pairs: Sequence[Pair | None]) -> Difference | None:
    complete = [pair for pair in pairs if pair is not None]
    return Difference(tuple(complete)) if len(complete) == len(pairs) else None


def _notes(sheet: Sheet, shows: Shows) -> Iterator[str]:
    plan = sheet.plan
    yield f"Protocol: {plan.protocol.rstrip('.')}." if plan.protocol else "Protocol: not stated in the sheet."
    yield f"Success in %, judged by a person; {plan.trials} trials of each model on each task were planned."
    yield _order_note(sheet)
    if fewer := list(_fewer(sheet)):
        yield f"{FEWER} Fewer trials than planned: {'; '.join(fewer)}."
    if sheet.undone == 1:
        yield "1 trial was undone and does not count; the sheet has it."
    elif sheet.undone:
        yield f"{sheet.undone} trials were undone and do not count; the sheet has them."
    if shows in _NOTES:
        yield _NOTES[shows].format(_methods(sheet))


def _order_note(sheet: Sheet) -> str:
    if sheet.plan.order == "blocked":
        order = "Model by model within a task"
    else:
        order = "Models took turns within each round, in a random order"
    blind, trials = sum(trial.blind for trial in sheet.trials.values()), len(sheet.trials)
    if not blind:
        return f"{order}."
    share = "all trials" if blind == trials else f"of {trials} trials {blind}"
    return f"{order}; {share} {'was' if blind == 1 else 'were'} judged without the name of the model."


def _fewer(sheet: Sheet) -> Iterator[str]:
    """``Stack Bowls: w/ ours 37, RDT none``."""
    for task in sheet.plan.tasks:
        trials = {model: len(sheet.successes(task, model)) for model in sheet.plan.models}
        fewer = [f"{model} {n or 'none'}" for model, n in trials.items() if n < sheet.plan.trials]
        if fewer:
            yield f"{task}: {', '.join(fewer) if any(trials.values()) else 'none'}"


def _methods(sheet: Sheet) -> str:
    """Name the methods behind the intervals of differences."""
    plan = sheet.plan
    pairs = [_pair(sheet, task, pair) for pair in plan.delta for task in plan.tasks]
    kinds = Counter(Difference((pair,)).paired for pair in pairs if pair is not None)
    independent = "Newcombe's, for independent trials"
    if not kinds[True] and (kinds[False] or not plan.paired):
        return independent
    paired = "the bootstrap's, paired by round"
    return f"{paired}; where the rounds are not the same, {independent}" if kinds[False] else paired
