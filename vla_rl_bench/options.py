"""Options of a plugin: the keys that a suite writes beside ``name:``, checked against the entry's dataclass."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, NamedTuple, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from vla_rl_bench.errors import SuiteError, did_you_mean


class Problem(NamedTuple):
    key: str  # "" for the options as a whole
    what: str


class OptionsError(Exception):
    """Options that do not fit, without the location, which only the caller knows."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{key}: {what}" if key else what for key, what in problems))


def make_options(options_class: type, values: Mapping[str, Any], where: str) -> Any:
    """Return an instance of the dataclass; a `SuiteError` at `where` for the first value that does not fit."""
    try:
        return read_options(options_class, values)
    except OptionsError as error:
        key, what = error.problems[0]
        raise SuiteError(where, key, what) from None


def read_options(options_class: type, values: Mapping[str, Any]) -> Any:
    """Return an instance of the dataclass; an `OptionsError` with every value that does not fit."""
    names = [field.name for field in fields(options_class) if field.init]
    unknown = [key for key in values if key not in names]
    if unknown:
        hints = {key: did_you_mean(key, names) or " It takes none; remove the key." for key in unknown}
        raise OptionsError([Problem(key, f"unknown option.{hint}") for key, hint in hints.items()])
    try:
        # JSON: strict about types, yet a list serves as a tuple and a whole number as a float
        checked = _adapter(options_class).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        problems = [Problem(".".join(map(str, detail["loc"])), error_text([detail])) for detail in errors]
        raise OptionsError(problems) from None
    try:
        return options_class(**checked)
    except ValueError as error:
        raise OptionsError([split_key(str(error), names)]) from None


def split_key(message: str, keys: Iterable[str]) -> Problem:
    """Split the key off a message that begins with it: ``value: -1 is negative``."""
    match = re.match(r"([\w-]+): ", message)
    if match and match[1] in keys:
        return Problem(match[1], message[match.end() :])
    return Problem("", message)


def plain_options(options: object) -> dict[str, Any]:
    """Return every field of an options dataclass, defaults included, as plain data."""
    values = {field.name: getattr(options, field.name) for field in fields(typing.cast("Any", options)) if field.init}
    options_class: Any = type(options)
    plain: dict[str, Any] = _adapter(options_class).dump_python(values, mode="json")
    return plain


_YAML_WORDS = {  # pydantic speaks of JSON and Python; a suite is YAML
    "Input should be an object": "Input should be keys and values",
    "a valid array": "a list",
    "Tuple should": "List should",
    " after validation": "",
}


def error_text(errors: Sequence[ErrorDetails]) -> str:
    """Return pydantic's sentence and the value: ``Input should be greater than 0, got `-1```.

    Args:
        errors: The errors of one value; several for the branches of a union.
    """
    first = errors[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "string_pattern_mismatch":
        sentence = _pattern_text(str(first["ctx"]["pattern"]))
    else:
        sentences = dict.fromkeys(error["msg"].removeprefix("Input should be ") for error in errors[1:])
        sentence = " or ".join([first["msg"], *(text for text in sentences if not first["msg"].endswith(text))])
        for word, yaml_word in _YAML_WORDS.items():
            sentence = sentence.replace(word, yaml_word)
    if first["type"] in ("missing", "too_short", "too_long"):  # there is no value, or the sentence has its length
        return sentence
    value = " ".join(json.dumps(first["input"], default=str, ensure_ascii=False).split())
    return f"{sentence}, got `{value if len(value) <= 40 else f'{value[:40]}...'}`"


def _pattern_text(pattern: str) -> str:
    if pattern.startswith(r"^\d+-\d+"):
        return "expected first-last, as in `0-29`"
    letters = "A-Z, a-z" if "A-Z" in pattern else "a-z"
    return f"a name is made of {letters}, 0-9, `.`, `_` and `-`"


@cache
def _adapter(options_class: Any) -> TypeAdapter[Any]:
    """Validate the options as a dictionary: a TypedDict, so that no field name is special."""
    hints = typing.get_type_hints(options_class, include_extras=True)
    keys = {field.name: _key_type(field, hints[field.name]) for field in fields(options_class) if field.init}
    build: Any = TypedDict  # made from a dataclass, so a type checker has nothing to read
    table = build(options_class.__name__, keys)
    table.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return TypeAdapter(table)


def _key_type(field: Field[Any], hint: Any) -> Any:
    optional = field.default is not MISSING or field.default_factory is not MISSING
    return NotRequired[hint] if optional else hint
