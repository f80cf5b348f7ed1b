r"""A `Table` as a complete LaTeX ``table`` environment for booktabs, and plain Unicode as LaTeX source."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from vla_rl_bench.analysis.tables.layout import Entry, Line, lines
from vla_rl_bench.analysis.tables.model import Table

WIDE = 70  # characters of a line, blanks between columns included, beyond which long column titles get two lines
LONG = 12  # characters of a long column title


def latex(table: Table) -> str:
    r"""Set a table with booktabs' rules, ``\cmidrule`` under each group; scaled to the line's width if it is wider."""
    import jinja2

    environment = jinja2.Environment(  # braces and percent signs are LaTeX's
        loader=jinja2.PackageLoader("vla_rl_bench.analysis.tables"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    layout = lines(table)
    is_wide = _is_wide(layout)
    rendered = environment.get_template("latex.tex.j2").render(
        title=latex_text(table.title),
        label=table.label,
        alignment="l" + "".join("@{\\hskip 1.5em}r" if column.mean_of else "r" for column in table.columns),
        lines=[source for line in layout for source in _source(line, is_wide)],
        notes=[latex_text(note) for note in table.notes],
    )
    return rendered.rstrip("\n") + "\n"


def _source(line: Line, is_wide: bool) -> list[str]:
    rule = [r"\midrule"] if line.ruled else []
    text = " & ".join(_entry(entry, line, index, is_wide) for index, entry in enumerate(line.entries))
    return [*rule, f"{text} \\\\", *_group_rules(line)]


def _entry(entry: Entry, line: Line, index: int, is_wide: bool) -> str:
    if is_wide and line.kind == "header" and len(entry.text) > LONG:
        return _two_lines(entry.text)
    text = rf"\textbf{{{latex_text(entry.text)}}}" if entry.bold else latex_text(entry.text)
    if line.kind == "section":
        return rf"\multicolumn{{{entry.span}}}{{c}}{{\textit{{{text}}}}}"
    if index and line.kind == "groups":
        return rf"\multicolumn{{{entry.span}}}{{c}}{{{text}}}"
    return "{}" + text if not index and text[:1] in ("[", "*") else text  # after a line break LaTeX would read these


def _two_lines(text: str) -> str:
    """Break a title at the blank that makes the longer line shortest; a title without blanks stays."""
    words = re.split(r" (?![†‡])", text)
    breaks = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    if not breaks:
        return latex_text(text)
    above, below = min(breaks, key=lambda halves: max(map(len, halves)))
    return rf"\shortstack[r]{{{latex_text(above)}\\{latex_text(below)}}}"


def _group_rules(line: Line) -> list[str]:
    """A rule under each group that has a heading; the first column of rates is LaTeX's second."""
    if line.kind != "groups":
        return []
    ends = [1]
    for entry in line.entries[1:]:
        ends.append(ends[-1] + entry.span)
    rules = [
        rf"\cmidrule(lr){{{before + 1}-{end}}}"
        for entry, (before, end) in zip(line.entries[1:], pairwise(ends), strict=True)
        if entry.text
    ]
    return [" ".join(rules)]


def _is_wide(layout: list[Line]) -> bool:
    rows = [line.entries for line in layout if line.kind in ("header", "row", "delta")]
    return sum(2 + max(len(entry.text) for entry in column) for column in zip(*rows, strict=True)) > WIDE


# -- Unicode

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\to$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "°": r"$^\circ$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    **{character: "\\" + character for character in "#$%&_{}"},
}
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_SYMBOL = re.compile(f"([\u0391-\u03a9\u03b1-\u03c9])([{_SUBSCRIPTS}]*)|([{_SUBSCRIPTS}]+)|(.)", re.DOTALL)
_LATIN_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True))  # LaTeX has no commands for these


def latex_text(text: str) -> str:
    r"""Write plain text as LaTeX source, as ``$\pi_0$ + FAST`` for ``π₀ + FAST`` and ``100\%`` for ``100%``."""
    return _SYMBOL.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    letter, index, lone_index, character = match.groups()
    if letter:
        return f"${_greek(letter)}{_subscript(index)}$"
    if lone_index:
        return f"$_{{{_digits(lone_index)}}}$"
    if match.string.startswith("--", match.start()):
        return "-{}"  # LaTeX would join an option's two hyphens to a dash
    return _ESCAPES.get(character, character)


def _greek(letter: str) -> str:
    if letter in _LATIN_CAPITALS:
        return rf"\mathrm{{{_LATIN_CAPITALS[letter]}}}"
    words = unicodedata.name(letter).split()  # GREEK SMALL LETTER FINAL SIGMA
    name = {"LAMDA": "LAMBDA", "OMICRON": "O"}.get(words[-1], words[-1]).lower()
    if name == "o":
        return name
    name = "varsigma" if "FINAL" in words else name
    return "\\" + (name.capitalize() if words[1] == "CAPITAL" else name)


def _subscript(index: str) -> str:
    digits = _digits(index)
    return "" if not digits else f"_{digits}" if len(digits) == 1 else f"_{{{digits}}}"


def _digits(index: str) -> str:
    return "".join(str(_SUBSCRIPTS.index(character)) for character in index)
