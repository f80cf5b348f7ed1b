"""A trial sheet -> a table: models as rows, tasks as columns, their mean, and differences under the models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from vla_rl_bench.analysis.statistics.gaps import Gap, gap_apart, joint_interval
from vla_rl_bench.analysis.statistics.intervals import Cluster, Interval, clustered
from vla_rl_bench.analysis.tables.model import Cell, Column, Delta, Measured, Row, Section, Shows, Table
from vla_rl_bench.analysis.tables.published import PublishedTable
from vla_rl_bench.analysis.tables.reference_rows import beside
from vla_rl_bench.trials.sheet import Sheet

ENVIRONMENT = "real-robot"
"""What published tables of trials on robots call their environment."""

FEWER = "*"

_NOTES: dict[Shows, str] = {
    "interval": "In brackets 95% intervals in %: Wilson's; of differences {}.",
    "counts": "Successes/trials, with 95% intervals in %: Wilson's; of differences {}.",
}


def sheet_table(sheet: Sheet, shows: Shows = "rates", references: Sequence[PublishedTable] = ()) -> Table:
    """Every trial that stands counts; a cell without any is empty, one with fewer than planned is marked.

    references: published tables, each in a labelled block of its own; tasks of one name share a column.
    """
    plan = sheet.plan
    keys = {key for published in references for key in published.keys}
    tasks = [_key(task) if _key(task) in keys else task for task in plan.tasks]
    columns = (*(Column(task) for task in tasks), Column("Avg", mean_of=tuple(range(len(tasks)))))
    table = Table(
        title=plan.title,
        columns=columns,
        sections=(Section(tuple(_lines(sheet))),),
        label="tab:trials",
        notes=tuple(_notes(sheet, shows)),
        shows=shows,
    )
    return beside(table, ENVIRONMENT, references) if references else table


def _key(task: str) -> str:
    """``Stack Bowls`` -> ``stack_bowls``."""
    return re.sub(r"\W+", "_", task.lower()).strip("_")


def _lines(sheet: Sheet) -> Iterator[Row | Delta]:
    plan = sheet.plan
    for model in plan.models:
        yield Row(model, tuple(_cell(sheet, task, model) for task in plan.tasks))
        yield from (_delta(sheet, pair) for pair in plan.delta if pair[0] == model)


def _cell(sheet: Sheet, task: str, model: str) -> Cell:
    done = sheet.cell(task, model)
    if not done:
        return None
    pooled = clustered(_singly(done))
    mark = FEWER if len(done) < sheet.plan.trials else ""
    return Measured(pooled, (Fraction(pooled.successes, pooled.n),), mark)


def _delta(sheet: Sheet, pair: tuple[str, str]) -> Delta:
    plan = sheet.plan
    gaps = [_gap(sheet, task, pair) for task in plan.tasks]
    minuend, subtrahend = (plan.models.index(model) for model in pair)
    title = "Δ" if len(plan.delta) == 1 else f"Δ to {pair[1]}"
    intervals = tuple(_joint([gap]) for gap in gaps)
    return Delta(title, minuend, subtrahend, intervals, lambda places: _joint([gaps[place] for place in places]))


def _gap(sheet: Sheet, task: str, pair: tuple[str, str]) -> Gap | None:
    """Paired where both models did the same rounds, as the plan has them in pairs; None where one did none."""
    minuend, subtrahend = (sheet.cell(task, model) for model in pair)
    if not minuend or not subtrahend:
        return None
    apart = gap_apart(_singly(subtrahend), _singly(minuend))
    if not sheet.plan.paired or minuend.keys() != subtrahend.keys():
        return apart
    by_round = tuple(float(success) - float(subtrahend[number]) for number, success in minuend.items())
    return replace(apart, by_start=by_round)


def _singly(done: dict[int, bool]) -> list[Cluster]:
    return [(int(success), 1) for success in done.values()]


def _joint(gaps: Sequence[Gap | None]) -> Interval | None:
    known = [gap for gap in gaps if gap is not None]
    return joint_interval(known) if known and len(known) == len(gaps) else None


def _notes(sheet: Sheet, shows: Shows) -> Iterator[str]:
    plan = sheet.plan
    yield f"Protocol: {plan.protocol.rstrip('.')}." if plan.protocol else "Protocol: not stated in the sheet."
    yield f"Success in %, judged by a person; {plan.trials} trials of each model on each task were planned."
    yield _order(sheet)
    if fewer := list(_fewer(sheet)):
        yield f"{FEWER} Fewer trials than planned: {'; '.join(fewer)}."
    if sheet.undone:
        verb = "trial was" if sheet.undone == 1 else "trials were"
        yield f"{sheet.undone} {verb} undone and {'does' if sheet.undone == 1 else 'do'} not count; the sheet has them."
    if shows in _NOTES:
        yield _NOTES[shows].format(_how_paired(sheet))


def _order(sheet: Sheet) -> str:
    plan = sheet.plan
    order = (
        "Model by model within a task"
        if plan.order == "blocked"
        else "Models took turns within each round, in a random order"
    )
    blind = sum(trial.blind for trial in sheet.trials.values())
    share = "all trials" if blind == len(sheet.trials) else f"of {len(sheet.trials)} trials {blind}"
    verb = "was" if blind == 1 else "were"
    return f"{order}{f'; {share} {verb} judged without the name of the model' if blind else ''}."


def _fewer(sheet: Sheet) -> Iterator[str]:
    """``Stack Bowls: w/ ours 37, RDT none``."""
    for task in sheet.plan.tasks:
        done = {model: len(sheet.cell(task, model)) for model in sheet.plan.models}
        few = [f"{model} {n or 'none'}" for model, n in done.items() if n < sheet.plan.trials]
        if few:
            yield f"{task}: {', '.join(few) if any(done.values()) else 'none'}"


def _how_paired(sheet: Sheet) -> str:
    plan = sheet.plan
    gaps = [_gap(sheet, task, pair) for pair in plan.delta for task in plan.tasks]
    kinds = Counter(gap.by_start is not None for gap in gaps if gap is not None)
    apart = "Newcombe's, for independent trials"
    if not kinds[True] and (kinds[False] or not plan.paired):
        return apart
    paired = "the bootstrap's, paired by round"
    return f"{paired}; where the rounds are not the same, {apart}" if kinds[False] else paired
