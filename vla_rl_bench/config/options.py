"""A plugin's options: the keys that a suite writes beside ``name:``, checked against the entry's dataclass."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, NamedTuple, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from vla_rl_bench.config.wording import explain
from vla_rl_bench.errors import SuiteError, did_you_mean


class Problem(NamedTuple):
    """Something wrong: under which key ("" for the whole), and what."""

    key: str
    what: str


class OptionsError(Exception):
    """Options that do not fit; carries the problems, without the place that only the caller knows."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{key}: {what}" if key else what for key, what in problems))


def make_options(options_class: type, given: Mapping[str, Any], where: str) -> Any:
    """-> an instance of the dataclass; a `SuiteError` at `where` for the first thing that does not fit."""
    try:
        return read_options(options_class, given)
    except OptionsError as error:
        key, what = error.problems[0]
        raise SuiteError(where, key, what) from None


def read_options(options_class: type, given: Mapping[str, Any]) -> Any:
    """As `make_options`, raising `OptionsError` with everything that does not fit."""
    known = [one.name for one in fields(options_class) if one.init]
    unknown = [Problem(key, f"unknown option.{_known_options(key, known)}") for key in given if key not in known]
    if unknown:
        raise OptionsError(unknown)
    try:
        # JSON: strict about types, yet a list serves as a tuple and a whole number as a float
        values = _adapter(options_class).validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        found = [Problem(".".join(map(str, one["loc"])), explain(one)) for one in error.errors(include_url=False)]
        raise OptionsError(found) from None
    try:
        return options_class(**values)
    except ValueError as error:
        raise OptionsError([split_key(str(error), known)]) from None


def split_key(message: str, known: typing.Iterable[str]) -> Problem:
    """``value: -1 is negative`` -> the key that a message begins with, and the rest."""
    match = re.match(r"([\w-]+): ", message)
    if match and match[1] in known:
        return Problem(match[1], message[match.end() :])
    return Problem("", message)


def plain_options(options: object) -> dict[str, Any]:
    """Every field of an options dataclass, defaults included, as plain data."""
    values = {one.name: getattr(options, one.name) for one in fields(typing.cast("Any", options)) if one.init}
    options_class: Any = type(options)
    plain: dict[str, Any] = _adapter(options_class).dump_python(values, mode="json")
    return plain


def _known_options(key: str, known: list[str]) -> str:
    return did_you_mean(key, known) or " It takes none; remove the key."


@cache
def _adapter(options_class: Any) -> TypeAdapter[Any]:
    """Validates the options as a dictionary.  A TypedDict, so that no field name is special."""
    hints = typing.get_type_hints(options_class, include_extras=True)
    taken = {one.name: _key_type(one, hints[one.name]) for one in fields(options_class) if one.init}
    build: Any = TypedDict  # made from a dataclass, so a type checker has nothing to read
    table = build(options_class.__name__, taken)
    table.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return TypeAdapter(table)


def _key_type(one: Field[Any], hint: Any) -> Any:
    optional = one.default is not MISSING or one.default_factory is not MISSING
    return NotRequired[hint] if optional else hint
