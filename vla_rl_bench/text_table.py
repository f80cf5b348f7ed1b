"""Tables as plain text: cells below each other."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[list[str]]:
    """Pad cells to the widths of their columns.

    Args:
        rows: Cells, equally many in each row.
        left: The number of columns that are aligned to the left; the others, numbers mostly, are to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]


def text_lines(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """The lines of a table, two blanks between its columns; arguments as of `aligned`."""
    return ["  ".join(row).rstrip() for row in aligned(rows, left)]
