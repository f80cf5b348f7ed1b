"""A `Table` -> GitHub-flavoured markdown."""

from __future__ import annotations

from collections.abc import Sequence

from vla_rl_bench.analysis.tables.cells import figures
from vla_rl_bench.analysis.tables.layout import groups, sections
from vla_rl_bench.analysis.tables.model import Delta, Row, Table
from vla_rl_bench.analysis.tables.ranking import Mark, marks
from vla_rl_bench.analysis.tables.templating import template

_MARKED: dict[Mark, str] = {"": "{}", "bold": "**{}**", "underline": "<ins>{}</ins>"}


def markdown(table: Table) -> str:
    """Padded so that it reads well in a terminal too; several groups of columns are stacked."""
    rendered = template("markdown.md.j2").render(
        title=table.title,
        stacks=[(above, _grid(table, corner, columns)) for above, corner, columns in _stacks(table)],
        notes=table.notes,
    )
    return rendered.rstrip("\n") + "\n"


def _stacks(table: Table) -> list[tuple[str, str, list[int]]]:
    """Above each grid, in its corner, its columns.

    Markdown has one header row, so each of several groups becomes a grid of its own, titled in its corner; where they
    are long, as a stacked table's, above it.
    """
    grouped = groups(table.columns)
    named = [group for group, _ in grouped if group]
    if table.stacked:
        corner = _corner(table, table.heading)
        return [(f"*{_escaped(group)}*" if group else "", corner, members) for group, members in grouped]
    stacks = grouped if len(named) > 1 else [("".join(named), list(range(len(table.columns))))]
    return [("", _corner(table, group), members) for group, members in stacks]


def _corner(table: Table, group: str) -> str:
    return f"{table.row_header} ({group})" if group and table.row_header else group or table.row_header


def _grid(table: Table, corner: str, columns: Sequence[int]) -> list[str]:
    """The lines of one markdown grid."""
    cells = [[corner, *(table.columns[column].title for column in columns)]]
    for section in sections(table, columns):
        if section.title:
            cells.append([f"*{section.title}*", *[""] * len(columns)])
        cells += [[line.title, *_figures(table, line, columns)] for line in section.lines]
    return grid(cells)


def grid(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of texts, the header first, all of one length -> the lines of a markdown table."""
    cells = [[_escaped(text) for text in line] for line in cells]
    widths = [max(3, *(len(text) for text in texts)) for texts in zip(*cells, strict=True)]
    ruler = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    header, *lines = (_padded(line, widths) for line in cells)
    return [header, ruler, *lines]


def _figures(table: Table, line: Row | Delta, columns: Sequence[int]) -> list[str]:
    texts, marked = figures(table, line, columns), marks(table, line, columns)
    return [_MARKED[mark].format(text) for text, mark in zip(texts, marked, strict=True)]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.ljust(width) if index == 0 else text.rjust(width)
        for index, (text, width) in enumerate(zip(line, widths, strict=True))
    )
    return "| " + " | ".join([first, *others]) + " |"
