"""A table for Emacs."""

from __future__ import annotations

from vla_rl_bench.tables.figures import figures
from vla_rl_bench.tables.model import Table


def as_org(table: Table) -> str:
    lines = [[table.row_header, *(column.title for column in table.columns)]]
    lines += [[line.title, *figures(table, line)] for line in table.lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
