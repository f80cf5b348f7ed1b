"""Progress: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_EVERY_SECONDS = 20.0

# (run, stage, done, total); stage "complete" ends the run's bar
Report = Callable[[str, str, int, int], None]


class Display:
    """Shows the reports of all runs.  total: how many runs there are to do."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[stage]}"),
            console=self._console,
        )
        self._all = self._progress.add_task("runs", total=total, stage="")
        self._bars: dict[str, TaskID] = {}
        self._total, self._complete = total, 0
        self._last = 0.0

    def __enter__(self) -> Display:
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live:
            self._progress.stop()

    def report(self, run: str, stage: str, done: int, total: int) -> None:
        if stage == "complete":
            self._end(run)
        elif self._live:
            self._move(run, stage.partition(" | ")[0], done, total)  # a line has room for more than a bar
        else:
            self._line(f"{run}: {stage} {done}/{total}")

    def _move(self, run: str, stage: str, done: int, total: int) -> None:
        if run not in self._bars:
            self._bars[run] = self._progress.add_task(run, total=total, stage=stage)
        self._progress.update(self._bars[run], completed=done, total=total, stage=stage)

    def _end(self, run: str) -> None:
        self._complete += 1
        if self._live:
            self._progress.update(self._all, completed=self._complete)
            if run in self._bars:
                self._progress.remove_task(self._bars.pop(run))
        else:
            self._line(f"{run}: complete ({self._complete} of {self._total} runs)", always=True)

    def _line(self, text: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._last >= LINE_EVERY_SECONDS:
            self._last = now
            self._console.print(text, highlight=False, soft_wrap=True)
