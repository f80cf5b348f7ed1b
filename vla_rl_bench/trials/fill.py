"""Filling in a sheet at the robot: one key a trial."""

from __future__ import annotations

from dataclasses import dataclass, field

from vla_rl_bench.trials.events import Note, Undo, now
from vla_rl_bench.trials.keeping import Book
from vla_rl_bench.trials.screen import screen, shown_names
from vla_rl_bench.trials.sheet import Slot
from vla_rl_bench.trials.terminal import ESCAPE, Terminal

SUCCESS, FAILURE, NOTE, UNDO, QUIT = "s", "f", "n", "u", "q"


@dataclass
class Filling:
    """A person at work.  task: only this one.  blind: the models' names are not shown."""

    book: Book
    terminal: Terminal
    blind: bool = False
    task: str | None = None
    message: str = field(default="", init=False)

    def run(self) -> None:
        """Until everything is done, or the person quits; every trial is on disk before the next screen."""
        if self.book.mended:
            self.message = "The last line was torn by an interruption and is gone: look whether a trial is missing."
        with self.terminal.by_key():
            while self._step():
                pass

    def _step(self) -> bool:
        """One key -> whether to go on."""
        slot = self._slot()
        self.terminal.show(screen(self.book.sheet, slot, self.blind, self.message))
        self.message = ""
        key = self.terminal.key()
        if key in (SUCCESS, FAILURE) and slot:
            self._enter(slot, key == SUCCESS)
        elif key == UNDO:
            self._undo()
        elif key == NOTE:
            self._note()
        elif key in (QUIT, ""):
            return False
        elif key != ESCAPE and not key.isspace():
            self.message = f"`{key}` does nothing here." if slot else "Nothing is left to do: u undoes, q quits."
        return True

    def _slot(self) -> Slot | None:
        return next(self.book.sheet.open_slots(self.task), None)

    def _enter(self, slot: Slot, success: bool) -> None:
        self.book.add(self.book.sheet.trial(slot, success, blind=self.blind))
        self.terminal.settle()

    def _undo(self) -> None:
        last = self.book.sheet.last
        if last is None:
            self.message = "No trial to undo."
            return
        self.book.add(Undo(number=last.number, time=now()))
        name = shown_names(self.book.sheet, self.blind)[last.model]
        self.message = f"Undone: {last.task}, {name}, round {last.round}, which was a {last.outcome}."
        self.terminal.settle()

    def _note(self) -> None:
        last = self.book.sheet.last
        if last is None:
            self.message = "No trial to note anything on."
            return
        text = self.terminal.line(f"note on {last.task}, round {last.round}, {last.outcome}: ")
        if text:
            self.book.add(Note(number=last.number, note=text, time=now()))
