"""Files that stay whole if a process is killed, and a lock that ends with its process."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vla_rl_bench.errors import UserError

Record = dict[str, Any]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; afterwards it replaces `path` in one step.

    A reader, or a writer that is killed, leaves the old file or the new one.  An error removes the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def read_json_lines(path: Path) -> list[Record]:
    """Read the records of a JSON-lines file, without a truncated last line; none if there is no file."""
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def append_json_lines(path: Path, records: list[Record]) -> None:
    """Add records to a JSON-lines file; they are on disk when this returns."""
    with path.open("ab") as file:
        file.write(_json_lines(records))
        file.flush()
        os.fsync(file.fileno())


def filter_json_lines(path: Path, keep: Callable[[Record], bool]) -> None:
    """Rewrite a JSON-lines file with the records for which `keep` is true."""
    if path.exists():
        write_bytes(path, _json_lines([record for record in read_json_lines(path) if keep(record)]))


def _json_lines(records: list[Record]) -> bytes:
    return b"".join(json.dumps(record, sort_keys=True).encode() + b"\n" for record in records)


@contextmanager
def exclusive_lock(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is created if it is missing; its content stays as it is.

    The lock ends with the process, however the process ends.  The filelock package was tried: this function is as
    long with it, and its older versions (3.12) truncate the file that they lock, which here may hold data.

    Args:
        path: The file to lock, in a folder that exists.
        busy: The message of the `UserError` if another process holds the lock; None: wait for that process.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if busy is None else fcntl.LOCK_NB))
        except BlockingIOError:
            raise UserError(str(busy)) from None
        yield
