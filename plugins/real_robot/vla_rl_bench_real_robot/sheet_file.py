"""The file of a trial sheet: lines are only added, and each is on disk before the next trial may begin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vla_rl_bench.errors import UserError
from vla_rl_bench.files import exclusive_lock, write_bytes
from vla_rl_bench_real_robot.sheet import Event, Plan, Sheet, event_line, parse_event


def create_sheet(path: Path, plan: Plan) -> None:
    """Write a sheet that holds its plan only; a file that exists stays as it is."""
    if path.exists():
        raise UserError(f"{path}: exists already; continue with: vla-rl-bench real-robot fill {path}")
    try:
        write_bytes(path, event_line(plan))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # without it a power cut may lose the file's name, and with it every trial
        finally:
            os.close(folder)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def read_sheet(path: Path) -> Sheet:
    """Read a sheet, without a last line that a power cut truncated."""
    with _file_errors(path):
        data = path.read_bytes()
    return _replay(path, data)[0]


@dataclass
class SheetWriter:
    """A sheet that this process alone writes."""

    path: Path
    file: BinaryIO
    sheet: Sheet
    size: int
    repaired: bool  # a truncated last line was removed

    def add(self, event: Event) -> None:
        """Append an event; it is on disk when this returns.  Raises if another program changed the file."""
        with _file_errors(self.path):
            on_disk, own = self.path.stat(), os.fstat(self.file.fileno())
            if (on_disk.st_ino, on_disk.st_dev, on_disk.st_size) != (own.st_ino, own.st_dev, self.size):
                raise UserError(f"{self.path}: another program changed the file; look at it, then start again")
            self.sheet.apply(event)
            self.size += _append(self.file, event_line(event))


@contextmanager
def open_sheet(path: Path) -> Iterator[SheetWriter]:
    """Open a sheet for writing and lock it, so that two processes cannot fill in one sheet."""
    with _file_errors(path):
        file = path.open("rb+")
    with file, exclusive_lock(path, f"{path}: another process is filling in this sheet; wait for it or end it"):
        data = file.read()
        sheet, size = _replay(path, data)
        repaired = bool(data[size:].strip())
        with _file_errors(path):
            file.truncate(size)
            file.seek(size)
            if not data[:size].endswith(b"\n"):  # an editor may leave the last line without its end
                size += _append(file, b"\n")
        yield SheetWriter(path, file, sheet, size, repaired)


def _append(file: BinaryIO, data: bytes) -> int:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
    return len(data)


def _replay(path: Path, data: bytes) -> tuple[Sheet, int]:
    """Return the sheet, and the size of the file without a truncated last line."""
    *lines, rest = data.split(b"\n")
    size = len(data) - len(rest)
    if _is_json(rest):
        lines, size = [*lines, rest], len(data)
    sheet: Sheet | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = parse_event(line)
            if sheet is not None:
                sheet.apply(event)
            elif isinstance(event, Plan):
                sheet = Sheet(event)
            else:
                raise ValueError("a sheet begins with its plan; begin one with: vla-rl-bench real-robot new SHEET")
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}") from None
    if sheet is None:
        raise UserError(f"{path}: no trial sheet, it has no plan; begin one with: vla-rl-bench real-robot new SHEET")
    return sheet, size


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; begin it with: vla-rl-bench real-robot new {path}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
