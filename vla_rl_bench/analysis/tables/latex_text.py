"""Plain Unicode -> LaTeX source: escapes what LaTeX reads as commands, spells Greek letters and indices as maths."""

from __future__ import annotations

import re
import unicodedata

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
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    **{character: "\\" + character for character in "#$%&_{}"},
}
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_SYMBOL = re.compile(f"([\u0391-\u03a9\u03b1-\u03c9])([{_SUBSCRIPTS}]*)|([{_SUBSCRIPTS}]+)|(.)", re.DOTALL)
_LATIN_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True))  # LaTeX has no commands for these


def latex_text(text: str) -> str:
    r"""``π₀ + FAST`` -> ``$\pi_0$ + FAST``; ``100%`` -> ``100\%``."""
    return _SYMBOL.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    letter, index, lone_index, other = match.groups()
    if letter:
        return f"${_greek(letter)}{_subscript(index)}$"
    if lone_index:
        return f"$_{{{_digits(lone_index)}}}$"
    if match.string.startswith("--", match.start()):
        return "-{}"  # an option's two hyphens, which LaTeX would join to a dash
    return _ESCAPES.get(other, other)


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
