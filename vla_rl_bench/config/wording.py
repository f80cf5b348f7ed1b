"""pydantic's errors in words for somebody who edits a suite file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

_Words = Callable[[Mapping[str, Any]], str]

_LIST = "expected a list"
_MAPPING = "expected keys and values"

# pydantic's error type -> words for it, from the error's context; what was given is added afterwards
_WORDS: Mapping[str, _Words] = {
    "missing": lambda _: "is missing",
    "int_type": lambda _: "expected a whole number",
    "int_parsing": lambda _: "expected a whole number",
    "int_from_float": lambda _: "expected a whole number",
    "float_type": lambda _: "expected a number",
    "float_parsing": lambda _: "expected a number",
    "finite_number": lambda _: "expected a finite number",
    "string_type": lambda _: "expected a text",
    "bool_type": lambda _: "expected true or false",
    "bool_parsing": lambda _: "expected true or false",
    "tuple_type": lambda _: _LIST,
    "list_type": lambda _: _LIST,
    "set_type": lambda _: _LIST,
    "dict_type": lambda _: _MAPPING,
    "model_type": lambda _: _MAPPING,
    "model_attributes_type": lambda _: _MAPPING,
    "dataclass_type": lambda _: _MAPPING,
    "greater_than": lambda c: f"must be above {c['gt']:g}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']:g}",
    "less_than": lambda c: f"must be below {c['lt']:g}",
    "less_than_equal": lambda c: f"must be at most {c['le']:g}",
    "literal_error": lambda c: f"expected {c['expected']}".replace("'", "`"),
    "enum": lambda c: f"expected {c['expected']}".replace("'", "`"),
    "none_required": lambda _: "expected nothing",
}
_BARE = ("missing", "too_short", "too_long")  # nothing was given, or its length is told
_QUOTED = 40  # characters


def explain(error: ErrorDetails, *, bare: bool = False) -> str:
    """``must be at least 2, got 1``: one error in one line, without its place.  bare: without what was given."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        words = _pattern(str(context["pattern"]))
    elif kind in ("too_short", "too_long"):
        return _length(kind, context)
    else:
        words = _WORDS[kind](context) if kind in _WORDS else error["msg"].lower()
    return words if bare else words + got(error)


def got(error: ErrorDetails) -> str:
    """``, got `1```: what was given, where something was."""
    return "" if error["type"] in _BARE else f", got {shown(error['input'])}"


def _length(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "too_short":
        few, given = context["min_length"], context["actual_length"]
        return "is empty; write at least one" if (few, given) == (1, 0) else f"expected {few} items, got {given}"
    return f"expected {context['max_length']} items, got {context['actual_length']}"


def _pattern(pattern: str) -> str:
    if pattern.startswith(r"^\d+-\d+"):
        return "expected first-last, as in `0-29`"
    letters = "A-Z, a-z" if "A-Z" in pattern else "a-z"
    return f"a name is made of {letters}, 0-9, `.`, `_` and `-`"


def shown(value: Any) -> str:
    """What was given, as it would be written in YAML's flow style, cut to one short piece."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = " ".join(text.split())
    text = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."
    return f"the text `{text}`" if isinstance(value, str) else f"`{text}`"
