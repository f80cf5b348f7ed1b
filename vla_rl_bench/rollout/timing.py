"""Spans on a common clock; wall and CPU seconds by activity.  Standard library only.

Readings are those of ``time.perf_counter``, which all processes of a machine share on Linux and macOS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

TRAINER = 0  # number of the process that holds the policy; worker 0 is process 1, and so on
_ORDER = ("reset", "stepping", "rendering")  # order of the parts of one call
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Span:
    """An activity of a process."""

    process: int  # `TRAINER`, or 1 + the worker's number
    activity: str
    start: float  # seconds since the recorder's creation
    end: float


class SpanRecorder:
    """Record of spans; with ``on=False`` it records nothing, at next to no cost."""

    def __init__(self, on: bool = True) -> None:
        self.on = on
        self.spans: list[Span] = []
        self._start = time.perf_counter()

    def add(self, process: int, activity: str, start: float, end: float) -> None:
        """Add a span from readings of ``time.perf_counter`` of any process of this machine."""
        if self.on:
            self.spans.append(Span(process, activity, start - self._start, end - self._start))

    @contextmanager
    def measure(self, process: int, activity: str) -> Iterator[None]:
        """Record the body as a span."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(process, activity, start, time.perf_counter())


class _Timed(Protocol):
    @property
    def seconds(self) -> dict[str, float]: ...


class ActivityTimer:
    """Timer of an environment's calls: adds ``cpu:<activity>`` to its wall seconds by activity.

    A call's CPU seconds (of the whole process) are divided in proportion to the wall seconds of its activities.
    """

    def __init__(self, environment: _Timed) -> None:
        self._environment = environment
        self._cpu: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds by activity so far, and CPU seconds under ``cpu:<activity>``."""
        return dict(self._environment.seconds) | self._cpu

    def call(self, function: Callable[..., _T], *arguments: Any) -> tuple[_T, tuple[tuple[str, float, float], ...]]:
        """Call the function; return its result and its activities as (activity, start, end), placed end to end."""
        before, started, cpu = dict(self._environment.seconds), time.perf_counter(), time.process_time()
        result = function(*arguments)
        cpu = time.process_time() - cpu
        spent = _difference(self._environment.seconds, before)
        total = sum(spent.values())
        spans = []
        for activity in sorted(spent, key=lambda name: (*_ORDER, name).index(name)):
            share = spent[activity]
            name = f"cpu:{activity}"
            self._cpu[name] = self._cpu.get(name, 0.0) + cpu * share / total
            spans.append((activity, started, started + share))
            started += share
        return result, tuple(spans)


def _difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Entries that have grown, and by how much."""
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: value for name, value in grown.items() if value > 0}
