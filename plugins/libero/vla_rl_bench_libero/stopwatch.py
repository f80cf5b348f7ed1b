"""Seconds by activity; a nested measurement is subtracted from the enclosing one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import perf_counter


class Stopwatch:
    def __init__(self, *names: str) -> None:
        self.seconds = dict.fromkeys(names, 0.0)
        self._nested = 0.0

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        outer, self._nested = self._nested, 0.0
        start = perf_counter()
        try:
            yield
        finally:
            elapsed = perf_counter() - start
            self.seconds[name] += elapsed - self._nested
            self._nested = outer + elapsed
