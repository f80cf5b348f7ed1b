r"""A `Table` -> a complete LaTeX ``table`` environment for booktabs."""

from __future__ import annotations

import re
from itertools import pairwise

from vla_rl_bench.analysis.tables.latex_text import latex_text
from vla_rl_bench.analysis.tables.layout import Entry, Line, blocks, lines, width
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.ranking import Mark
from vla_rl_bench.analysis.tables.templating import template

WIDE = 70  # characters, blanks between columns included, beyond which long column titles are broken into two lines
LONG = 12  # characters, beyond which a column's title is long

_MARKED: dict[Mark, str] = {"": "{}", "bold": r"\textbf{{{}}}", "underline": r"\underline{{{}}}"}


def latex(table: Table) -> str:
    r"""Booktabs' rules, with ``\cmidrule`` under each group of columns; scaled to the line's width if it is wider."""
    found = lines(table)
    wide = _is_wide(found)
    rendered = template("latex.tex.j2").render(
        title=latex_text(table.title),
        label=table.label,
        alignment="l" + "".join(("@{\\hskip 1.5em}" if mean else "") + "r" for mean in _means(table)),
        lines=[source for line in found for source in _source(line, wide)],
        notes=[latex_text(note) for note in table.notes],
    )
    return rendered.rstrip("\n") + "\n"


def _means(table: Table) -> list[bool]:
    """Whether a mean stands in each place, which is set off from the figures before it."""
    first = blocks(table)[0][1]
    means = [bool(table.columns[index].mean_of) for index in first]
    return means + [False] * (width(table) - len(means))


def _source(line: Line, wide: bool) -> list[str]:
    rule = [r"\midrule"] if line.ruled else []
    text = " & ".join(_entry(entry, line, place, wide) for place, entry in enumerate(line.entries))
    return [*rule, f"{text} \\\\", *_group_rules(line)]


def _entry(entry: Entry, line: Line, place: int, wide: bool) -> str:
    if wide and line.kind == "header" and len(entry.text) > LONG:
        return _two_lines(entry.text)
    text = _MARKED[entry.mark].format(latex_text(entry.text))
    if line.kind == "section":
        return rf"\multicolumn{{{entry.span}}}{{c}}{{\textit{{{text}}}}}"
    if place and line.kind in ("heading", "groups"):
        return rf"\multicolumn{{{entry.span}}}{{c}}{{{text}}}"
    return "{}" + text if not place and text[:1] in ("[", "*") else text  # after a line break LaTeX would read these


def _two_lines(text: str) -> str:
    """Broken at the blank that leaves the shorter longer line; one line where there is none."""
    words = re.split(r" (?![†‡])", text)
    breaks = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    if not breaks:
        return latex_text(text)
    above, below = min(breaks, key=lambda halves: max(map(len, halves)))
    return rf"\shortstack[r]{{{latex_text(above)}\\{latex_text(below)}}}"


def _group_rules(line: Line) -> list[str]:
    """A rule under each group that has a heading; the first column of figures is LaTeX's second."""
    if line.kind not in ("heading", "groups"):
        return []
    ends = [1]
    for entry in line.entries[1:]:
        ends.append(ends[-1] + entry.span)
    named = [
        rf"\cmidrule(lr){{{before + 1}-{end}}}"
        for entry, (before, end) in zip(line.entries[1:], pairwise(ends), strict=True)
        if entry.text
    ]
    return [" ".join(named)]


def _is_wide(found: list[Line]) -> bool:
    rows = [line.entries for line in found if line.kind in ("header", "row", "delta", "summary")]
    return sum(2 + max(len(entry.text) for entry in place) for place in zip(*rows, strict=True)) > WIDE
