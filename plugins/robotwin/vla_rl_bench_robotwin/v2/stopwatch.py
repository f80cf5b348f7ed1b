"""Seconds by activity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """seconds: activity -> seconds so far, as `vla_rl_bench.interfaces.Environment` has them.

    What is measured within another measurement counts there only.
    """

    def __init__(self, *activities: str) -> None:
        self.seconds = dict.fromkeys(activities, 0.0)
        self._within: list[float] = []  # of each measurement that goes on: what others took within it

    @contextmanager
    def measure(self, activity: str) -> Iterator[None]:
        started = perf_counter()
        self._within.append(0.0)
        try:
            yield
        finally:
            whole = perf_counter() - started
            self.seconds[activity] += whole - self._within.pop()
            if self._within:
                self._within[-1] += whole
