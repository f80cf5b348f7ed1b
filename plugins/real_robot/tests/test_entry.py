"""`real-robot fill` in a pseudo-terminal, with the test at its other end."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.real_robot.tests.made_up import OFT, OURS, fill_in, made_up_sheet
from vla_rl_bench_real_robot import entry
from vla_rl_bench_real_robot.entry import KEYS
from vla_rl_bench_real_robot.sheet import letters, planned_trials
from vla_rl_bench_real_robot.sheet_file import read_sheet

PATIENCE = 30  # seconds

PROGRAM = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores both signals, and its children do
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from vla_rl_bench.cli.main import main
from vla_rl_bench_real_robot import entry
entry.PAUSE = float(sys.argv[1])
sys.exit(main(["real-robot", "fill", *sys.argv[2:]]))
"""


class Terminal:
    """The command in an interpreter and a terminal of its own.  screen: the text since the last key."""

    def __init__(self, *arguments: object) -> None:
        self.screen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.fd, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(entry.PAUSE), *map(str, arguments)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=os.environ | {"TERM": "xterm"},
            start_new_session=True,
        )
        os.close(terminal)

    def wait_for(self, text: str) -> str:
        """Read until `text` is on the screen; return the screen."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.screen!r}"
            if select.select([self.fd], [], [], 0.5)[0]:
                self.screen += self._read()
        return self.screen

    def press(self, keys: str, expected: str = KEYS) -> str:
        """Press keys at once; return the next screen that has `expected`."""
        self.screen = ""
        os.write(self.fd, keys.encode())
        return self.wait_for(expected)

    def wait(self) -> int:
        """Read to the end; return the exit code, or minus the signal."""
        while text := self._read():
            self.screen += text
        return self.process.wait(PATIENCE)

    def _read(self) -> str:
        assert select.select([self.fd], [], [], PATIENCE)[0], f"nothing more after {self.screen!r}"
        try:
            return self._decoder.decode(os.read(self.fd, 65536)).replace("\r\n", "\n")
        except OSError:  # Linux: the program at the other end has ended
            return ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


Fill = Callable[..., Terminal]


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return made_up_sheet(tmp_path / "robot.jsonl", protocol="clean table")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """Start the command, with a short pause after each trial unless the test sets its own."""
    terminals: list[Terminal] = []

    def start_fill(*arguments: object, pause: float = 0.02) -> Terminal:
        monkeypatch.setattr(entry, "PAUSE", pause)
        terminals.append(Terminal(*arguments))
        return terminals[-1]

    yield start_fill
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def fill(start: Fill) -> Fill:
    """Start the command and wait for its first screen."""

    def fill(*arguments: object, **options: float) -> Terminal:
        terminal = start(*arguments, **options)
        terminal.wait_for(KEYS)
        return terminal

    return fill


def outcomes(sheet: Path) -> list[str]:
    return [trial.outcome for trial in read_sheet(sheet).trials.values()]


def test_fill_records_keys_and_continues_after_quit(sheet: Path, fill: Fill) -> None:
    planned = list(planned_trials(read_sheet(sheet).plan))
    terminal = fill(sheet)
    assert "Real robot: 0 of 12 trials" in terminal.screen and "Protocol: clean table" in terminal.screen
    assert f"NEXT   {planned[0].task}, round 1 of 3" in terminal.screen
    assert f"MODEL  {planned[0].model}" in terminal.screen
    screen = terminal.press("s")
    assert "1 of 12 trials" in screen and f"MODEL  {planned[1].model}" in screen
    assert "1 of 3  1/1 100.0% [20.7, 100.0]" in screen  # Wilson's interval
    assert f"last: {planned[0].task}, {planned[0].model}, round 1: success" in screen
    terminal.press("f")
    assert outcomes(sheet) == ["success", "failure"]  # on disk before the next screen
    os.write(terminal.fd, b"q")
    assert terminal.wait() == 0 and "2 of 12 trials done" in terminal.screen
    terminal = fill(sheet)
    assert f"MODEL  {planned[2].model}" in terminal.screen and "2 of 12 trials" in terminal.screen


def test_fill_undoes_and_notes(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet)
    assert "No trial to undo." in terminal.press("u") and "No trial to note" in terminal.press("n")
    terminal.press("s")
    prompt = terminal.press("n", "success: ")
    assert "note on Stack Bowls, round 1, success: " in prompt
    assert "(ü slipped)" in terminal.press("ü slipped\n")
    assert "which was a success" in terminal.press("u")
    terminal.press("f")
    assert outcomes(sheet) == ["failure"]
    assert [line.split('"')[3] for line in sheet.read_text().splitlines()] == ["plan", "trial", "note", "undo", "trial"]


def test_fill_drops_an_empty_note(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet)
    terminal.press("s")
    terminal.press("n", "success: ")
    terminal.press("\x04")
    terminal.press("n", "success: ")
    terminal.press("\n")
    assert read_sheet(sheet).notes == {}


def test_fill_takes_a_key_that_is_held_down_once(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet, pause=entry.PAUSE)
    os.write(terminal.fd, b"s")
    for _ in range(8):
        time.sleep(0.02)
        os.write(terminal.fd, b"s")
    terminal.press("")
    terminal.press("f")
    assert outcomes(sheet) == ["success", "failure"]


def test_fill_ignores_unknown_keys(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet)
    assert "`x` does nothing." in terminal.press("x")
    for key in ("\x1b[A", "\x1bOS", " ", "S"):  # an arrow; F4, which ends in S
        terminal.press(key)
    assert outcomes(sheet) == []


def test_fill_undoes_after_the_last_trial(tmp_path: Path, fill: Fill) -> None:
    path = made_up_sheet(tmp_path / "s", tasks=("Stack Bowls",), trials=1)
    terminal = fill(path)
    terminal.press("s")
    assert "Nothing is left to do." in terminal.press("f")
    assert "Nothing is left to do: u undoes" in terminal.press("s")
    assert "NEXT" in terminal.press("u")
    assert outcomes(path) == ["success"]


def test_fill_blind_hides_every_name(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet, "--blind")
    plan = read_sheet(sheet).plan
    screens = terminal.screen + "".join(terminal.press(key) for key in "sfusfx")
    assert OFT not in screens and OURS not in screens
    expected = [letters(plan)[planned.model] for planned in list(planned_trials(plan))[:3]]
    assert re.findall(r"MODEL  (\w)", screens)[:3] == expected
    assert all(trial.blind for trial in read_sheet(sheet).trials.values())


def test_fill_does_one_task(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet, "--task", "Pick Bottle")
    terminal.press("s")
    assert [trial.task for trial in read_sheet(sheet).trials.values()] == ["Pick Bottle"]


@pytest.mark.parametrize("end", ["control-c", "hangup", "kill"])
def test_fill_keeps_the_trials_when_it_is_ended(sheet: Path, fill: Fill, end: str) -> None:
    terminal = fill(sheet)
    terminal.press("s")
    if end == "control-c":
        os.write(terminal.fd, b"\x03")
    else:
        os.kill(terminal.process.pid, signal.SIGHUP if end == "hangup" else signal.SIGKILL)
    code = terminal.wait()
    assert code == 130 if end == "control-c" else code < 0
    assert "Traceback" not in terminal.screen
    assert outcomes(sheet) == ["success"]
    assert "1 of 12 trials" in fill(sheet).screen


def test_fill_restores_the_terminal(sheet: Path, fill: Fill) -> None:
    terminal = fill(sheet)
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ECHO
    os.write(terminal.fd, b"q")
    deadline = time.monotonic() + PATIENCE
    while not termios.tcgetattr(terminal.fd)[3] & termios.ECHO:
        assert time.monotonic() < deadline


def test_fill_rejects_a_second_person(sheet: Path, start: Fill, fill: Fill) -> None:
    fill(sheet)
    second = start(sheet)
    assert second.wait() == 2
    assert second.screen.strip() == f"{sheet}: another process is filling in this sheet; wait for it or end it"


def test_fill_reports_a_truncated_line(sheet: Path, fill: Fill) -> None:
    fill_in(sheet, True)
    sheet.write_bytes(sheet.read_bytes() + b'{"event": "tri')
    assert "An interruption truncated the last line" in fill(sheet).screen
