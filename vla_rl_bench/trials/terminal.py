"""A terminal that gives single keys and shows one screen at a time."""

from __future__ import annotations

import os
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vla_rl_bench.errors import UserError

PAUSE = 0.4  # seconds, ours: a key that is held down or hit twice does not fill in the next trial too
ESCAPE, END = "\x1b", "\x04"


class Terminal:
    """Keys from standard input, which must be a terminal."""

    def __init__(self) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout
        self._usual = termios.tcgetattr(self._input)

    def key(self) -> str:
        """One key; of arrows and the like, and of what is pasted, nothing but the first character counts.

        Empty where the terminal is gone.
        """
        read = os.read(self._input, 1024).decode(errors="replace")
        return read[:1] if read != END else ""

    def line(self, prompt: str) -> str:
        """A line that is typed and edited as usual; empty where it is given up."""
        self._output.flush()
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._usual)
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

    def settle(self) -> None:
        """Forget the keys that were hit before the next screen could be read."""
        time.sleep(PAUSE)
        termios.tcflush(self._input, termios.TCIFLUSH)

    @contextmanager
    def by_key(self) -> Iterator[None]:
        """Keys come at once and are not echoed; afterwards the terminal is as it was."""
        tty.setcbreak(self._input, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._usual)


def terminal() -> Terminal:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("trials fill needs a terminal; elsewhere: vla-rl-bench trials add SHEET --task --model OUTCOME")
    return Terminal()
