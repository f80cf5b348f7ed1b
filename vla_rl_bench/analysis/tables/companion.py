"""A table's notes as a text file of their own, beside a format that has no place for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_text


def notes_text(tables: Sequence[Table]) -> str:
    """Each table's title, then a note a line; a blank line between tables."""
    return "\n".join("\n".join([table.title, *table.notes]) + "\n" for table in tables)


def write_notes(path: Path, tables: Sequence[Table]) -> None:
    try:
        write_text(path, notes_text(tables))
    except OSError as error:
        raise UserError(f"--notes {path}: cannot be written: {error.strerror}") from None
