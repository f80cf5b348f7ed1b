"""docs/how-to/write-a-plugin.md is true of the vocabulary, of the contract, and of what `new` writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vla_rl_bench import conventions
from vla_rl_bench.cli.new_package import KINDS, Names, render
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench.testing.base import EnvironmentRules

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "how-to" / "write-a-plugin.md").read_text()
STRANGER = REPOSITORY / "tests" / "data" / "stranger"
EXTENDED = {"vla_rl_bench_reach/plugin.py", "vla_rl_bench_reach/suite.yaml"}  # in the course of the page


def rows(after: str) -> list[tuple[str, str]]:
    """The first table after some words."""
    table = PAGE.split(after, 1)[1].split("| --- | --- |\n", 1)[1].split("\n\n", 1)[0]
    return [(cells[0].strip(), cells[1].strip()) for cells in re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.M)]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("turned pictures fails silently", conventions.ORIENTATIONS),
        ("again; `gripper`:", conventions.GRIPPERS),
        ("`rotation`:\n", conventions.ROTATIONS),
    ],
    ids=["orientations", "grippers", "rotations"],
)
def test_the_vocabulary_is_all_there(after: str, words: dict[str, str]) -> None:
    assert rows(after) == [(f"`{word}`", meaning) for word, meaning in words.items()]


def test_every_rule_of_the_contract_is_named() -> None:
    rules = {f"`{name}`" for name in dir(EnvironmentContract) if name.startswith("test_")}
    assert {name for name, _ in rows("| test | |")} == rules


def test_every_attribute_of_the_contract_is_named() -> None:
    named = {word for cell, _ in rows("| attribute | |") for word in re.findall(r"`(\w+)`", cell)}
    assert named == set(EnvironmentRules.__annotations__)


def test_new_writes_what_the_page_begins_with() -> None:
    for path, text in render(KINDS["environment"], Names("reach")).items():
        if path not in EXTENDED:
            assert (STRANGER / path).read_text() == text, path


def test_the_entry_with_an_interpreter_of_its_own_is_one() -> None:
    [block] = re.findall(r"^```python\n(from pathlib.*?)^```", PAGE, re.M | re.S)
    known: dict[str, object] = {"__file__": str(STRANGER / "vla_rl_bench_reach" / "plugin.py")}
    exec(block, known)
    assert isinstance(known["ENTRY"], EnvironmentEntry)
