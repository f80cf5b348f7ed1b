"""`trials fill` in a real terminal: a pseudo-terminal with a person's fingers at the other end."""

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
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trials.made_up import OFT, OURS, fill_in, made_up_sheet
from vla_rl_bench.trials import terminal
from vla_rl_bench.trials.keeping import read
from vla_rl_bench.trials.screen import KEYS
from vla_rl_bench.trials.sheet import letters, slots

PATIENCE = 30  # seconds


PLAY = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores both, and passes that on
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from vla_rl_bench.cli.main import main
from vla_rl_bench.trials import terminal
terminal.PAUSE = float(sys.argv[1])
sys.exit(main(["trials", "fill", *sys.argv[2:]]))
"""


class Person:
    """Someone at a terminal of their own, and the command in an interpreter of its own.

    screen: what was shown since the last key.
    """

    def __init__(self, *arguments: str) -> None:
        self.screen = ""
        self._text = codecs.getincrementaldecoder("utf-8")()
        self.fd, terminal_fd = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PLAY, str(terminal.PAUSE), *arguments],
            stdin=terminal_fd,
            stdout=terminal_fd,
            stderr=terminal_fd,
            env=os.environ | {"TERM": "xterm"},
            start_new_session=True,
        )
        os.close(terminal_fd)

    def sees(self, text: str) -> str:
        """Waits until `text` is there -> the whole screen, as text."""
        until = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert time.monotonic() < until, f"no {text!r} in {self.screen!r}"
            if select.select([self.fd], [], [], 0.5)[0]:
                self.screen += self._read()
        return self.screen

    def hits(self, keys: str, then: str = KEYS) -> str:
        """Hits keys at once and looks at the next screen that holds `then`."""
        self.screen = ""
        os.write(self.fd, keys.encode())
        return self.sees(then)

    def ends(self) -> int:
        """-> the exit code, or minus the signal."""
        while text := self._read():
            self.screen += text
        return self.process.wait(PATIENCE)

    def _read(self) -> str:
        assert select.select([self.fd], [], [], PATIENCE)[0], f"nothing more after {self.screen!r}"
        try:
            return self._text.decode(os.read(self.fd, 65536)).replace("\r\n", "\n")
        except OSError:  # Linux says so when the program at the other end is gone
            return ""

    def leaves(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return made_up_sheet(tmp_path / "robot.jsonl", protocol="clean table")


@pytest.fixture
def people() -> Iterator[list[Person]]:
    found: list[Person] = []
    yield found
    for person in found:
        person.leaves()


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "held_down" not in request.node.name:
        monkeypatch.setattr(terminal, "PAUSE", 0.02)


def at(people: list[Person], *arguments: object) -> Person:
    people.append(Person(*map(str, arguments)))
    people[-1].sees(KEYS)
    return people[-1]


def outcomes(sheet: Path) -> list[str]:
    return [one.outcome for one in read(sheet).trials.values()]


def test_a_person_fills_in_a_sheet_stops_and_goes_on(sheet: Path, people: list[Person]) -> None:
    planned = list(slots(read(sheet).plan))
    person = at(people, sheet)
    assert "Real robot: 0 of 12 trials" in person.screen and "Protocol: clean table" in person.screen
    assert f"NEXT   {planned[0].task}, round 1 of 3" in person.screen and f"MODEL  {planned[0].model}" in person.screen
    shown = person.hits("s")
    assert "1 of 12 trials" in shown and f"MODEL  {planned[1].model}" in shown
    assert "1 of 3  1/1 100.0% [20.7, 100.0]" in shown  # Wilson's
    assert f"last: {planned[0].task}, {planned[0].model}, round 1: success" in shown
    person.hits("f")
    assert outcomes(sheet) == ["success", "failure"]  # on disk before anything else happens
    os.write(person.fd, b"q")
    assert person.ends() == 0 and "2 of 12 trials done" in person.screen
    again = at(people, sheet)
    assert f"MODEL  {planned[2].model}" in again.screen and "2 of 12 trials" in again.screen


def test_undo_and_notes(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet)
    assert "No trial to undo." in person.hits("u") and "No trial to note" in person.hits("n")
    person.hits("s")
    prompt = person.hits("n", "success: ")
    assert "note on Stack Bowls, round 1, success: " in prompt
    assert "(ü slipped)" in person.hits("ü slipped\n")
    assert "which was a success" in person.hits("u")
    person.hits("f")
    assert outcomes(sheet) == ["failure"]
    assert [line.split('"')[3] for line in sheet.read_text().splitlines()] == ["plan", "trial", "note", "undo", "trial"]


def test_a_note_may_be_given_up(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet)
    person.hits("s")
    person.hits("n", "success: ")
    person.hits("\x04")
    person.hits("n", "success: ")
    person.hits("\n")
    assert read(sheet).notes == {}


def test_a_key_that_is_held_down_fills_in_one_trial(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet)
    os.write(person.fd, b"s")
    for _ in range(8):
        time.sleep(0.02)
        os.write(person.fd, b"s")
    person.hits("")
    person.hits("f")
    assert outcomes(sheet) == ["success", "failure"]


def test_other_keys_do_nothing(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet)
    assert "`x` does nothing here." in person.hits("x")
    for key in ("\x1b[A", "\x1bOS", " ", "S"):  # an arrow, F4, which ends in S
        person.hits(key)
    assert outcomes(sheet) == []


def test_when_all_is_done_it_says_so_and_the_last_can_be_undone(tmp_path: Path, people: list[Person]) -> None:
    path = made_up_sheet(tmp_path / "s", tasks=("Stack Bowls",), trials=1)
    person = at(people, path)
    person.hits("s")
    assert "Nothing is left to do." in person.hits("f")
    assert "Nothing is left to do: u undoes" in person.hits("s")
    assert "NEXT" in person.hits("u")
    assert outcomes(path) == ["success"]


def test_blind_shows_letters_and_no_name_anywhere(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet, "--blind")
    plan = read(sheet).plan
    seen = person.screen + "".join(person.hits(key) for key in "sfusfx")
    assert OFT not in seen and OURS not in seen
    expected = [letters(plan)[slot.model] for slot in list(slots(plan))[:3]]
    assert re.findall(r"MODEL  (\w)", seen)[:3] == expected
    assert all(trial.blind for trial in read(sheet).trials.values())


def test_one_task_alone(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet, "--task", "Pick Bottle")
    person.hits("s")
    assert [one.task for one in read(sheet).trials.values()] == ["Pick Bottle"]


@pytest.mark.parametrize("how", ["control-c", "hangup", "kill"])
def test_however_it_ends_the_trials_are_there(sheet: Path, people: list[Person], how: str) -> None:
    person = at(people, sheet)
    person.hits("s")
    if how == "control-c":
        os.write(person.fd, b"\x03")
    else:
        os.kill(person.process.pid, signal.SIGHUP if how == "hangup" else signal.SIGKILL)
    code = person.ends()
    assert code == 130 if how == "control-c" else code < 0
    assert "Traceback" not in person.screen
    assert outcomes(sheet) == ["success"]
    assert "1 of 12 trials" in at(people, sheet).screen


def test_the_terminal_is_left_as_it_was(sheet: Path, people: list[Person]) -> None:
    person = at(people, sheet)
    assert not termios.tcgetattr(person.fd)[3] & termios.ECHO
    os.write(person.fd, b"q")
    until = time.monotonic() + PATIENCE
    while not termios.tcgetattr(person.fd)[3] & termios.ECHO:
        assert time.monotonic() < until


def test_a_second_person_is_turned_away(sheet: Path, people: list[Person]) -> None:
    at(people, sheet)
    other = Person(str(sheet))
    people.append(other)
    assert other.ends() == 2
    assert other.screen.strip() == f"{sheet}: another process is filling in this sheet; wait for it or end it"


def test_a_torn_line_is_spoken_of(sheet: Path, people: list[Person]) -> None:
    fill_in(sheet, True)
    sheet.write_bytes(sheet.read_bytes() + b'{"event": "tri')
    assert "The last line was torn by an interruption" in at(people, sheet).screen
