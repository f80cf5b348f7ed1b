"""A `Table` as GitHub-flavored markdown, padded so that it reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Sequence

from vla_rl_bench.analysis.tables.layout import groups, lines
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.text_table import aligned


def markdown(table: Table) -> str:
    """Set a table as markdown.

    Markdown has one header row, so each of several groups of columns becomes a grid of its own.
    """
    grouped = groups(table.columns)
    titles = [group for group, _ in grouped if group]
    blocks = [f"**{table.title}**"]
    if len(titles) > 1:
        for group, members in grouped:
            blocks += [f"*{_escaped(group)}*"] if group else []
            blocks.append(_grid(table, table.row_header, members))
    else:
        corner = f"{table.row_header} ({titles[0]})" if titles and table.row_header else "".join(titles)
        blocks.append(_grid(table, corner or table.row_header, range(len(table.columns))))
    blocks += [" ".join(table.notes)] if table.notes else []
    return "\n\n".join(blocks) + "\n"


def _grid(table: Table, corner: str, columns: Sequence[int]) -> str:
    """Some columns of a table as one markdown table."""
    header, *body = (line for line in lines(table, columns) if line.kind != "groups")
    cells = [[corner, *(entry.text for entry in header.entries[1:])]]
    for line in body:
        if line.kind == "section":
            cells.append([f"*{line.entries[0].text}*", *[""] * len(columns)])
        else:
            cells.append([f"**{entry.text}**" if entry.bold else entry.text for entry in line.entries])
    return "\n".join(grid(cells))


def grid(cells: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a markdown table.

    Args:
        cells: Rows of texts, the header first; texts are escaped.
    """
    rows = aligned([["---"] * len(cells[0]), *([_escaped(text) for text in row] for row in cells)])[1:]
    ruler = ["-" * (len(text) + 1 + (not index)) + ":" * bool(index) for index, text in enumerate(rows[0])]
    head, *rest = ("| " + " | ".join(row) + " |" for row in rows)
    return [head, f"|{'|'.join(ruler)}|", *rest]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
