"""What stands on the terminal between two trials, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vla_rl_bench.analysis.statistics.intervals import Interval, percent, wilson
from vla_rl_bench.analysis.statistics.verdict import points
from vla_rl_bench.trials.events import Trial
from vla_rl_bench.trials.sheet import Sheet, Slot, letters

KEYS = "s success   f failure   n note on the last   u undo the last   q quit"


def shown_names(sheet: Sheet, blind: bool) -> Mapping[str, str]:
    """Model -> what the screen calls it; letters in their own order, so that they keep their secret."""
    if blind:
        return dict(sorted(letters(sheet.plan).items(), key=lambda item: item[1]))
    return {model: model for model in sheet.plan.models}


def screen(sheet: Sheet, slot: Slot | None, blind: bool, message: str = "") -> list[str]:
    """slot: what comes next; None: nothing is left to do."""
    names = shown_names(sheet, blind)
    task = slot.task if slot else sheet.last.task if sheet.last else sheet.plan.tasks[0]
    return [
        _progress(sheet),
        *([f"Protocol: {sheet.plan.protocol}"] if sheet.plan.protocol else []),
        "",
        *(_next(sheet, slot, names[slot.model]) if slot else ["  Nothing is left to do."]),
        "",
        task,
        *_rates(sheet, task, names),
        "",
        f"last: {_told(sheet, sheet.last, names)}" if sheet.last else "last: none",
        *([message] if message else []),
        KEYS,
    ]


def _progress(sheet: Sheet) -> str:
    undone = f", {sheet.undone} undone" if sheet.undone else ""
    return f"{sheet.plan.title}: {len(sheet.trials)} of {sheet.planned} trials{undone}"


def _next(sheet: Sheet, slot: Slot, name: str) -> list[str]:
    return [
        f"  NEXT   {slot.task}, round {slot.round} of {sheet.plan.trials}",
        f"  MODEL  {name}",
    ]


def _rates(sheet: Sheet, task: str, names: Mapping[str, str]) -> Iterator[str]:
    width = max(len(name) for name in names.values())
    for model, name in names.items():
        done = list(sheet.cell(task, model).values())
        rate = _rate(sum(done), len(done)) if done else ""
        yield f"  {name:<{width}}  {len(done):>4} of {sheet.plan.trials}  {rate}".rstrip()


def _rate(successes: int, n: int) -> str:
    return f"{successes}/{n} {percent(successes, n)}% {_brackets(wilson(successes, n))}"


def _brackets(interval: Interval) -> str:
    return f"[{points(interval.low)}, {points(interval.high)}]"


def _told(sheet: Sheet, trial: Trial, names: Mapping[str, str]) -> str:
    remarks = "; ".join(sheet.notes.get(trial.number, ()))
    return f"{trial.task}, {names[trial.model]}, round {trial.round}: {trial.outcome}" + (
        f" ({remarks})" if remarks else ""
    )
