"""A measurement of experts as a page: a line a task, counts with their intervals, what it was measured with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median
from typing import Any

from vla_rl_bench.analysis.statistics.intervals import percent_text, wilson

GOOD = 0.8  # the rate from which on a task's expert is counted as working
_SAID = ("python", "machine", "git")  # of the versions, what is said last


def page(record: Mapping[str, Any]) -> str:
    """The markdown of a record that `trials.measure` wrote; the same text for the same record."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    by_task: dict[int, list[dict[str, Any]]] = {}
    for one in record["tries"]:
        by_task.setdefault(one["task"], []).append(one)
    yield f"# Experts of {record['environment']}, {record['suite']}"
    yield ""
    yield _summary(by_task)
    if not record["comparable"]:
        yield ""
        yield "Not comparable with published results: the environment, or the way it is drawn, differs."
    yield ""
    yield "| task | success | 95% interval | steps | CPU s |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for task in sorted(by_task):
        yield _row(f"{task} {record['tasks'][task]['name']}", by_task[task])
    yield _row("**all**", [one for tries in by_task.values() for one in tries])
    yield ""
    yield "Success: one try a start. Interval: Wilson's, in %. Steps: the mean of the successes. CPU s: the median of"
    yield "an episode's seconds in the process that plays it, the making of its observations included."
    yield ""
    yield from _provenance(record)


def _summary(by_task: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    good = sum(_successes(tries) >= GOOD * len(tries) for tries in by_task.values())
    return f"{good} of {len(by_task)} tasks at {100 * GOOD:.0f}% or more."


def _row(title: str, tries: Sequence[Mapping[str, Any]]) -> str:
    successes, n = _successes(tries), len(tries)
    if n == 0:
        return f"| {title} | 0/0 | | | |"
    interval = wilson(successes, n)
    steps = [one["steps"] for one in tries if one["steps"] is not None]
    shown = f"{mean(steps):.0f}" if steps else "–"
    rate = f"{successes}/{n} ({percent_text(successes, n, 0)}%)"
    spent = median(one["cpu_seconds"] for one in tries)
    return f"| {title} | {rate} | {100 * interval.low:.0f}–{100 * interval.high:.0f} | {shown} | {spent:.2f} |"


def _successes(tries: Sequence[Mapping[str, Any]]) -> int:
    return sum(one["success"] for one in tries)


def _provenance(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"- starts: {record['split']}; seed {record['seed']}"
    yield f"- protocol: {record['protocol']}"
    yield f"- options: {', '.join(f'{key}={value}' for key, value in record['options'].items())}"
    versions = record["versions"]
    names = [*(name for name in versions if name not in _SAID), *(name for name in _SAID if name in versions)]
    yield f"- versions: {', '.join(f'{name} {versions[name]}' for name in names)}"
