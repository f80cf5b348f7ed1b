"""docs/reference/paper.md: every value it gives is the suite's or the plugin's, every command in it can be typed."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import as_dict

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "reference" / "paper.md"
PAPER = REPOSITORY / "suites" / "paper"
SECTION = re.compile(r"^(silent$|\d(\.\d)?\b)")  # of the paper


class Row(NamedTuple):
    """value, where, key: without their backticks.  where: a file of suites/paper, or a module."""

    what: str
    words: str
    value: str
    where: str
    key: str
    code: str


def rows() -> list[Row]:
    """The lines with six cells whose third is a value."""
    lines = [line.strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines if len(line) == 6]
    return [Row(*(cell.strip("`") for cell in line)) for line in cells if line[2].startswith("`")]


@cache
def suite(name: str) -> dict[str, Any]:
    return as_dict(load_suite(PAPER / f"{name}.yaml"))


def found(row: Row) -> Any:
    """What stands at the key; items of lists are called by their names."""
    if "." in row.where:
        node: Any = importlib.import_module(row.where)
        for word in row.key.split("."):
            node = getattr(node, word)
        return node
    node = suite(row.where)
    for word in row.key.split("."):
        node = next(one for one in node if one["name"] == word) if isinstance(node, list) else node[word]
    return node


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.what)
def test_a_value_is_what_runs(row: Row) -> None:
    assert found(row) == YAML(typ="safe").load(row.value)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.what)
def test_a_line_says_where_in_the_paper_and_what_the_code_does(row: Row) -> None:
    assert SECTION.match(row.words) or row.what.startswith("the code's")
    assert row.code


def test_nothing_of_the_recipe_is_left_out() -> None:
    """Every number of the RL block and of its tricks, but those that change no number."""
    silent = {"microbatch", "microbatch_gb", "check_logprobs", "overprovision", "reuse_surplus", "checkpoint_every"} | {
        "algorithm"
    }
    rl = suite("table2")["arms"][1]["rl"]
    keys = {name for name in rl if name not in silent | {"tricks", "curve"}}
    keys |= {f"tricks.{trick['name']}.{option}" for trick in rl["tricks"] for option in trick if option != "name"}
    assert keys == {
        row.key.removeprefix("arms.sft-rl.rl.") for row in rows() if row.key.startswith("arms.sft-rl.rl.")
    } - {"curve.every"}


def test_every_suite_of_the_paper_that_the_index_names_is_there() -> None:
    named = set(re.findall(r"suites/paper/(\w+)\.yaml|`(\w+)\.yaml`", PAGE.read_text()))
    assert {f"{one or other}.yaml" for one, other in named} <= {path.name for path in PAPER.glob("*.yaml")}
    assert {row.where for row in rows() if "." not in row.where} <= {path.stem for path in PAPER.glob("*.yaml")}
