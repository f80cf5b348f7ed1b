"""Filling in a sheet at the robot: one screen and one key a trial."""

from __future__ import annotations

import os
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vla_rl_bench.analysis.statistics.intervals import interval_text, percent_text, wilson
from vla_rl_bench.errors import UserError
from vla_rl_bench.text_table import text_lines
from vla_rl_bench_real_robot.sheet import Note, PlannedTrial, Sheet, Undo, letters, now
from vla_rl_bench_real_robot.sheet_file import SheetWriter

KEYS = "s success   f failure   n note on the last   u undo the last   q quit"
PAUSE = 0.4  # seconds, ours: a key that is held down or hit twice does not fill in the next trial too
_ESCAPE, _END = "\x1b", "\x04"


class Terminal:
    """Single keys from standard input, and one screen at a time on standard output."""

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UserError(
                "real-robot fill needs a terminal; without one: "
                "vla-rl-bench real-robot add SHEET OUTCOME --task TASK --model MODEL"
            )
        self._input, self._output = sys.stdin.fileno(), sys.stdout
        self._settings = termios.tcgetattr(self._input)

    @contextmanager
    def single_keys(self) -> Iterator[None]:
        """Read keys at once and without echo; afterwards the terminal has its old settings."""
        tty.setcbreak(self._input, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._settings)

    def key(self) -> str:
        """Return one key; of arrow keys and pasted text the first character; "" if the terminal is gone."""
        text = os.read(self._input, 1024).decode(errors="replace")
        return text[:1] if text != _END else ""

    def line(self, prompt: str) -> str:
        """Return a line that is typed and edited as usual; "" if it is given up."""
        self._output.flush()
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._settings)
        try:
            return input(prompt).strip()
        except EOFError:
            return ""
        finally:
            tty.setcbreak(self._input, termios.TCSADRAIN)

    def show(self, lines: Sequence[str]) -> None:
        if os.environ.get("TERM", "dumb") != "dumb":
            self._output.write("\x1b[2J\x1b[H")
        self._output.write("\n".join(lines) + "\n")
        self._output.flush()

    def drop_keys(self) -> None:
        """Drop the keys that are hit before the next screen can be read."""
        time.sleep(PAUSE)
        termios.tcflush(self._input, termios.TCIFLUSH)


@dataclass
class TrialEntry:
    """The loop of keys."""

    writer: SheetWriter
    terminal: Terminal
    blind: bool = False  # letters instead of the models' names
    task: str | None = None  # only this task
    names: Mapping[str, str] = field(init=False)  # model -> name on the screen
    message: str = field(default="", init=False)

    def __post_init__(self) -> None:
        plan = self.writer.sheet.plan
        self.names = letters(plan) if self.blind else {model: model for model in plan.models}

    def run(self) -> None:
        """Take keys until the person quits; every trial is on disk before the next screen."""
        if self.writer.repaired:
            self.message = "An interruption truncated the last line; it was removed: check whether a trial is missing."
        with self.terminal.single_keys():
            while self._step():
                pass

    def _step(self) -> bool:
        """Show a screen and act on one key; False to quit."""
        sheet = self.writer.sheet
        planned = next(sheet.remaining(self.task), None)
        self.terminal.show(screen(sheet, planned, self.names, self.message))
        self.message = ""
        key = self.terminal.key()
        if key in ("s", "f") and planned:
            self.writer.add(sheet.trial(planned, key == "s", blind=self.blind))
            self.terminal.drop_keys()
        elif key == "u":
            self._undo()
        elif key == "n":
            self._note()
        elif key in ("q", ""):
            return False
        elif key != _ESCAPE and not key.isspace():
            self.message = f"`{key}` does nothing." if planned else "Nothing is left to do: u undoes, q quits."
        return True

    def _undo(self) -> None:
        last = self.writer.sheet.last
        if last is None:
            self.message = "No trial to undo."
            return
        self.writer.add(Undo(number=last.number, time=now()))
        name = self.names[last.model]
        self.message = f"Undone: {last.task}, {name}, round {last.round}, which was a {last.outcome}."
        self.terminal.drop_keys()

    def _note(self) -> None:
        last = self.writer.sheet.last
        if last is None:
            self.message = "No trial to note anything on."
            return
        text = self.terminal.line(f"note on {last.task}, round {last.round}, {last.outcome}: ")
        if text:
            self.writer.add(Note(number=last.number, note=text, time=now()))


def screen(sheet: Sheet, planned: PlannedTrial | None, names: Mapping[str, str], message: str) -> list[str]:
    """Return the lines of a screen.

    Args:
        sheet: The sheet so far.
        planned: The next trial; None if nothing is left to do.
        names: The name of each model on the screen.
        message: What the last key did, if there is something to say.
    """
    plan, last = sheet.plan, sheet.last
    undone = f", {sheet.undone} undone" if sheet.undone else ""
    lines = [f"{plan.title}: {len(sheet.trials)} of {sheet.planned} trials{undone}"]
    if plan.protocol:
        lines.append(f"Protocol: {plan.protocol}")
    if planned:
        lines += ["", f"  NEXT   {planned.task}, round {planned.round} of {plan.trials}"]
        lines += [f"  MODEL  {names[planned.model]}"]
    else:
        lines += ["", "  Nothing is left to do."]
    task = planned.task if planned else last.task if last else plan.tasks[0]
    lines += ["", task, *_rates(sheet, task, names), ""]
    if last:
        remarks = "; ".join(sheet.notes.get(last.number, ()))
        text = f"{last.task}, {names[last.model]}, round {last.round}: {last.outcome}"
        lines.append(f"last: {text}" + (f" ({remarks})" if remarks else ""))
    else:
        lines.append("last: none")
    return [*lines, *([message] if message else []), KEYS]


def _rates(sheet: Sheet, task: str, names: Mapping[str, str]) -> Iterator[str]:
    rows = []
    for model, name in names.items():
        outcomes = sheet.successes(task, model).values()
        successes, trials, rate = sum(outcomes), len(outcomes), ""
        if trials:
            interval = wilson(successes, trials)
            rate = f"{successes}/{trials} {percent_text(successes, trials)}% "
            rate += interval_text(interval)
        rows.append((f"  {name}", f"{trials} of {sheet.plan.trials}", rate))
    yield from text_lines(rows)
