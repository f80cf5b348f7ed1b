"""A trial sheet's file: JSON lines, only ever added to, each line on disk before the next trial may begin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vla_rl_bench.errors import UserError
from vla_rl_bench.files import exclusive_lock, write_bytes
from vla_rl_bench.trials.events import Event, Plan, event_line, parsed_event
from vla_rl_bench.trials.sheet import Sheet


def create(path: Path, plan: Plan) -> None:
    """A sheet with nothing but its plan; a file that is there already is left alone."""
    if path.exists():
        raise UserError(f"{path}: is there already; go on with: vla-rl-bench trials fill {path}")
    try:
        write_bytes(path, event_line(plan))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def read(path: Path) -> Sheet:
    """What the sheet says; a torn last line, left by a power cut, says nothing."""
    with _reported(path), path.open("rb") as file:
        return _replayed(path, file.read())[0]


@dataclass
class Book:
    """A sheet that this process alone writes.  mended: a torn last line was taken off."""

    path: Path
    file: BinaryIO
    sheet: Sheet
    size: int
    mended: bool

    def add(self, event: Event) -> None:
        """On disk when this returns.  Refuses to write to a file that somebody else has changed meanwhile."""
        with _reported(self.path):
            there, own = self.path.stat(), os.fstat(self.file.fileno())
            if (there.st_ino, there.st_dev, there.st_size) != (own.st_ino, own.st_dev, self.size):
                raise UserError(f"{self.path}: was changed by another program meanwhile; look at it, then begin again")
            self.sheet.apply(event)
            self.size += _append(self.file, event_line(event))


@contextmanager
def opened(path: Path) -> Iterator[Book]:
    """The sheet, locked as long as this lasts; the lock goes with the process, however it ends."""
    with _reported(path):
        file = path.open("rb+")
    with file, exclusive_lock(path, f"{path}: another process is filling in this sheet; wait for it or end it"):
        data = file.read()
        sheet, whole = _replayed(path, data)
        with _reported(path):
            size = _mended(file, data, whole)
        yield Book(path, file, sheet, size, whole < len(data))


def _mended(file: BinaryIO, data: bytes, whole: int) -> int:
    """Takes off a torn line, ends a last line that a person left without its end -> the file's size."""
    file.truncate(whole)
    file.seek(whole)
    return whole + (0 if data[:whole].endswith(b"\n") else _append(file, b"\n"))


def _append(file: BinaryIO, data: bytes) -> int:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
    return len(data)


def _replayed(path: Path, data: bytes) -> tuple[Sheet, int]:
    """The sheet, and how many bytes of it are whole."""
    *lines, tail = data.split(b"\n")
    torn = bool(tail.strip()) and not _is_json(tail)
    sheet: Sheet | None = None
    for number, line in enumerate(lines if torn else [*lines, tail], start=1):
        if not line.strip():
            continue
        try:
            event = parsed_event(line.decode())
            if sheet is None:
                sheet = _begun(event)
            else:
                sheet.apply(event)
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}") from None
    if sheet is None:
        raise UserError(f"{path}: no trial sheet, it has no plan; begin one with: vla-rl-bench trials new")
    return sheet, len(data) - len(tail) if torn else len(data)


def _begun(event: Event) -> Sheet:
    if not isinstance(event, Plan):
        raise ValueError("a sheet begins with its plan; begin one with: vla-rl-bench trials new")
    return Sheet(event)


def _is_json(line: bytes) -> bool:
    import json

    try:
        json.loads(line.decode())
    except ValueError:
        return False
    return True


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """What the file system refuses, in one line."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: not there; begin it with: vla-rl-bench trials new {path}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
