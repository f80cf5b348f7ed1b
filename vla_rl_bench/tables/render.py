"""A `Table` -> text.  Formats are functions ``f(table) -> str`` that plugins register; these two are the built-in ones.

Each shows the rates in percent; with ``detail="counts"`` the same table shows counts and intervals instead, and with
``detail="seeds"`` the mean over seeds with its sample deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from vla_rl_bench.results.statistics import Interval, decimal, half_up, over_seeds
from vla_rl_bench.tables.latex_text import latex_text
from vla_rl_bench.tables.model import Column, Delta, Measured, Row, Table, Value

if TYPE_CHECKING:
    from jinja2 import Template

Detail = Literal["rates", "counts", "seeds"]
MISSING = "–"
WIDE = 70  # characters, blanks between columns included, beyond which a LaTeX table is scaled to the text's width


def markdown(table: Table, detail: Detail = "rates") -> str:
    """GitHub-flavoured, padded so that it reads well in a terminal too; several groups of columns are stacked."""
    rendered = _template("markdown.md.j2").render(
        title=_title(table, detail),
        grids=[_grid(table, group, columns, detail) for group, columns in _stacks(table)],
        notes=_notes(table, detail),
    )
    return rendered.rstrip("\n") + "\n"


def latex(table: Table, detail: Detail = "rates") -> str:
    r"""A complete ``table`` environment for booktabs, with ``\cmidrule`` under each group of columns."""
    sections = [
        {
            "title": latex_text(section.title),
            "lines": [
                _latex_line([line.title, *_figures(table, line, detail, range(len(table.columns)))])
                for line in section.lines
            ],
        }
        for section in table.sections
    ]
    groups, midrules = _latex_groups(table.columns)
    rendered = _template("latex.tex.j2").render(
        title=latex_text(_title(table, detail)),
        label=table.label if detail == "rates" else f"{table.label}-{detail}",
        wide=_is_wide(table, detail),
        alignment="l" + "".join(("@{\\hskip 1.5em}" if column.mean_of else "") + "r" for column in table.columns),
        groups=groups,
        midrules=midrules,
        header=_latex_line([table.row_header, *(column.title for column in table.columns)]),
        width=len(table.columns) + 1,
        sections=sections,
        notes=[latex_text(note) for note in _notes(table, detail)],
    )
    return rendered.rstrip("\n") + "\n"


def has_counts(table: Table) -> bool:
    """Whether any cell is our own, so that counts and intervals are known."""
    return any(isinstance(cell, Measured) for row in table.rows for cell in row.cells)


def with_counts(table: Table, render: Callable[[Table, Detail], str]) -> str:
    """The table, then its counts with intervals, then its seeds, where they are known."""
    details: list[Detail] = ["rates", "counts", "seeds"] if has_counts(table) else ["rates"]
    return "\n".join(render(table, detail) for detail in details)


_EXPLANATIONS: dict[Detail, str] = {
    "counts": (
        "Successes/episodes over all seeds, with 95% intervals in %: Wilson's, at the number of episodes that "
        "clustering by start leaves; differences are paired by start."
    ),
    "seeds": "Mean over seeds ± sample standard deviation between seeds, with Student's 95% interval, in %.",
}


def _title(table: Table, detail: Detail) -> str:
    return table.title + {"rates": "", "counts": ": counts and intervals", "seeds": ": over seeds"}[detail]


def _notes(table: Table, detail: Detail) -> tuple[str, ...]:
    return table.notes if detail == "rates" else (_EXPLANATIONS[detail],)


def _figures(table: Table, line: Row | Delta, detail: Detail, columns: Iterable[int] | None = None) -> list[str]:
    """What stands in the line's `columns`; in all of them by default."""
    places = range(len(table.columns)) if columns is None else columns
    signed = isinstance(line, Delta)
    figure = _counts if signed and detail == "rates" and table.delta_intervals else _FIGURES[detail]
    values = (table.value(line, column) for column in places)
    return [figure(value, signed) if value else MISSING for value in values]


def _rate(value: Value, signed: bool) -> str:
    return _points(value.exact * 100, signed)


def _counts(value: Value, signed: bool) -> str:
    figure = "{}/{}".format(*value.counts) if value.counts else _rate(value, signed)
    return f"{figure} {_interval(value.interval, signed)}" if value.interval else figure


def _seeds(value: Value, signed: bool) -> str:
    if not value.by_seed:
        return _rate(value, signed)
    summary = over_seeds([float(rate) for rate in value.by_seed])
    figure = _points(sum(value.by_seed, Fraction()) / len(value.by_seed) * 100, signed)
    if summary.deviation is None or summary.interval is None:
        return figure
    floor = -1.0 if signed else 0.0
    possible = Interval(max(floor, summary.interval.low), min(1.0, summary.interval.high))
    return f"{figure} ± {100 * summary.deviation:.1f} {_interval(possible, signed)}"


_FIGURES: dict[Detail, Callable[[Value, bool], str]] = {"rates": _rate, "counts": _counts, "seeds": _seeds}


def _interval(interval: Interval, signed: bool) -> str:
    low, high = (_points(Fraction(end) * 100, signed) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def _points(value: Fraction, signed: bool) -> str:
    """``+7.8``, ``−0.4``, ``0.0``: rounded half up, with a true minus sign."""
    rounded = half_up(value)
    sign = "−" if rounded < 0 else "+" if signed and rounded > 0 else ""
    return sign + decimal(abs(rounded))


def _groups(columns: Sequence[Column]) -> list[tuple[str, list[int]]]:
    """Neighbouring columns of one group: the group's title, the columns' indices."""
    grouped = groupby(range(len(columns)), lambda index: columns[index].group)
    return [(group, list(members)) for group, members in grouped]


def _is_wide(table: Table, detail: Detail) -> bool:
    header = [table.row_header, *(column.title for column in table.columns)]
    lines = [header, *([line.title, *_figures(table, line, detail)] for line in table.lines)]
    return sum(2 + max(len(text) for text in texts) for texts in zip(*lines, strict=True)) > WIDE


def _stacks(table: Table) -> list[tuple[str, list[int]]]:
    """Markdown has one header row, so each of several groups becomes a grid of its own, titled in its corner."""
    groups = _groups(table.columns)
    named = [group for group, _ in groups if group]
    return groups if len(named) > 1 else [("".join(named), list(range(len(table.columns))))]


def _grid(table: Table, group: str, columns: Sequence[int], detail: Detail) -> list[str]:
    """The lines of one markdown grid."""
    corner = f"{table.row_header} ({group})" if group else table.row_header
    cells = [[corner, *(table.columns[column].title for column in columns)]]
    for section in table.sections:
        if section.title:
            cells.append([f"*{section.title}*", *[""] * len(columns)])
        cells += [[line.title, *_figures(table, line, detail, columns)] for line in section.lines]
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
        headings.append(
            rf"\multicolumn{{{len(members)}}}{{c}}{{{latex_text(group)}}}" if group else "&" * (len(members) - 1)
        )
        if group:  # the first column of figures is LaTeX's second
            rules.append(rf"\cmidrule(lr){{{members[0] + 2}-{members[-1] + 2}}}")
    return (" & ".join(headings), " ".join(rules)) if rules else ("", "")


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
