"""A `Table` -> text.  Formats are functions ``f(table) -> str`` that plugins register; these two are built in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from vla_rl_bench.tables.figures import figures
from vla_rl_bench.tables.latex_text import latex_text
from vla_rl_bench.tables.model import Column, Table

if TYPE_CHECKING:
    from jinja2 import Template

WIDE = 70  # characters, blanks between columns included, beyond which a LaTeX table is scaled to the text's width


def markdown(table: Table) -> str:
    """GitHub-flavoured, padded so that it reads well in a terminal too; several groups of columns are stacked."""
    rendered = _template("markdown.md.j2").render(
        title=table.title,
        grids=[_grid(table, group, columns) for group, columns in _stacks(table)],
        notes=table.notes,
    )
    return rendered.rstrip("\n") + "\n"


def latex(table: Table) -> str:
    r"""A complete ``table`` environment for booktabs, with ``\cmidrule`` under each group of columns."""
    sections = [
        {
            "title": latex_text(section.title),
            "lines": [_latex_line([line.title, *figures(table, line)]) for line in section.lines],
        }
        for section in table.sections
    ]
    groups, midrules = _latex_groups(table.columns)
    rendered = _template("latex.tex.j2").render(
        title=latex_text(table.title),
        label=table.label,
        wide=_is_wide(table),
        alignment="l" + "".join(("@{\\hskip 1.5em}" if column.mean_of else "") + "r" for column in table.columns),
        groups=groups,
        midrules=midrules,
        header=_latex_line([table.row_header, *(column.title for column in table.columns)]),
        width=len(table.columns) + 1,
        sections=sections,
        notes=[latex_text(note) for note in table.notes],
    )
    return rendered.rstrip("\n") + "\n"


def _groups(columns: Sequence[Column]) -> list[tuple[str, list[int]]]:
    """Neighbouring columns of one group: the group's title, the columns' indices."""
    grouped = groupby(range(len(columns)), lambda index: columns[index].group)
    return [(group, list(members)) for group, members in grouped]


def _stacks(table: Table) -> list[tuple[str, list[int]]]:
    """Markdown has one header row, so each of several groups becomes a grid of its own, titled in its corner."""
    groups = _groups(table.columns)
    named = [group for group, _ in groups if group]
    return groups if len(named) > 1 else [("".join(named), list(range(len(table.columns))))]


def _grid(table: Table, group: str, columns: Sequence[int]) -> list[str]:
    """The lines of one markdown grid."""
    corner = f"{table.row_header} ({group})" if group else table.row_header
    cells = [[corner, *(table.columns[column].title for column in columns)]]
    for section in table.sections:
        if section.title:
            cells.append([f"*{section.title}*", *[""] * len(columns)])
        cells += [[line.title, *figures(table, line, columns)] for line in section.lines]
    cells = [[_markdown_text(text) for text in line] for line in cells]
    widths = [max(3, *(len(text) for text in texts)) for texts in zip(*cells, strict=True)]
    ruler = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    header, *lines = (_padded(line, widths) for line in cells)
    return [header, ruler, *lines]


def _markdown_text(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.ljust(width) if index == 0 else text.rjust(width)
        for index, (text, width) in enumerate(zip(line, widths, strict=True))
    )
    return "| " + " | ".join([first, *others]) + " |"


def _latex_line(texts: Sequence[str]) -> str:
    return " & ".join(latex_text(text) for text in texts)


def _latex_groups(columns: Sequence[Column]) -> tuple[str, str]:
    """The line of group headings, and the rules under it; both empty where no column has a group."""
    headings, rules = [""], []
    for group, members in _groups(columns):
        headings.append(rf"\multicolumn{{{len(members)}}}{{c}}{{{latex_text(group)}}}")
        if group:  # the first column of figures is LaTeX's second
            rules.append(rf"\cmidrule(lr){{{members[0] + 2}-{members[-1] + 2}}}")
    return (" & ".join(headings), " ".join(rules)) if rules else ("", "")


def _is_wide(table: Table) -> bool:
    header = [table.row_header, *(column.title for column in table.columns)]
    lines = [header, *([line.title, *figures(table, line)] for line in table.lines)]
    return sum(2 + max(len(text) for text in texts) for texts in zip(*lines, strict=True)) > WIDE


@lru_cache(maxsize=2)
def _template(name: str) -> Template:
    """LaTeX templates have ``<% %>`` and ``<< >>`` for jinja's marks, since braces and percent signs are LaTeX's."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vla_rl_bench.tables"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    if name.endswith(".tex.j2"):
        environment = environment.overlay(
            block_start_string="<%",
            block_end_string="%>",
            variable_start_string="<<",
            variable_end_string=">>",
            comment_start_string="<#",
            comment_end_string="#>",
        )
    return environment.get_template(name)
