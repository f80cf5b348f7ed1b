"""Progress of runs: bars on a terminal, a line every 20 seconds in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_EVERY_SECONDS = 20.0
COMPLETE = "complete"  # the stage that ends a run


@dataclass(frozen=True)
class Report:
    """The progress of a run."""

    run: str  # id
    stage: str  # what the run does, such as ``SFT`` or ``evaluation main greedy``
    done: int
    total: int
    detail: str = ""  # more about the stage, for lines; bars have no room for it


Reporter = Callable[[Report], None]


def ignore(report: Report) -> None:
    """Report to nobody."""


class Display:
    """Display of the reports of all runs."""

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

    def report(self, report: Report) -> None:
        if report.stage == COMPLETE:
            self._end(report.run)
        elif self._live:
            self._move(report)
        else:
            detail = f"; {report.detail}" if report.detail else ""
            self._line(f"{report.run}: {report.stage}, {report.done}/{report.total}{detail}")

    def _move(self, report: Report) -> None:
        if report.run not in self._bars:
            self._bars[report.run] = self._progress.add_task(report.run, total=report.total, stage=report.stage)
        self._progress.update(self._bars[report.run], completed=report.done, total=report.total, stage=report.stage)

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
