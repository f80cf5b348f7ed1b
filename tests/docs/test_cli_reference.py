"""docs/reference/cli.md names every command and every option, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli.app import build

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands() -> dict[str, Any]:
    every = dict(get_command(build(Catalog.of(builtin=builtin))).commands)  # type: ignore[attr-defined]
    return {name: command for name, command in every.items() if not command.hidden}


def sections() -> dict[str, tuple[str, str]]:
    """Command -> the arguments in its heading, and the text below."""
    found = re.findall(r"^## `([a-z]+)([^`]*)`\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    return {name: (arguments, text) for name, arguments, text in found}


def test_every_command_has_a_section_and_there_is_no_other() -> None:
    assert list(sections()) == list(commands())


@pytest.mark.parametrize("name", commands())
def test_a_section_names_every_argument_and_option(name: str) -> None:
    heading, text = sections()[name]
    parameters = [one for one in commands()[name].params if one.name != "help"]
    options = [one.opts[0] for one in parameters if one.param_type_name == "option"]
    assert sorted(re.findall(r"^\| `(--[a-z-]+)`", text, re.M)) == sorted(options)
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    assert len(heading.split()) == len(arguments)
    for word, one in zip(heading.split(), arguments, strict=True):
        assert word.endswith("...") == (one.nargs == -1)
        assert word.startswith("[") == (not one.required)
