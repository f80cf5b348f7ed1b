"""suites/paper: every file is a suite, its recipes are one recipe, and its two protocols stay apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from vla_rl_bench.catalog import discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.errors import UserError
from vla_rl_bench.records.frame import protocols
from vla_rl_bench.suite.plan import plan

PAPER = Path(__file__).parents[2] / "suites" / "paper"
FULL_SIZE = ("table2", "table2_sampled", "table3", "table4", "table5", "table5_one", "table7", "figure4", "figure5")
SMALL = ("small_table2",)


def loaded(name: str) -> dict[str, Any]:
    return as_dict(load_suite(PAPER / f"{name}.yaml"))


def test_every_file_is_known_here() -> None:
    assert {path.stem for path in PAPER.glob("*.yaml")} == {*FULL_SIZE, *SMALL, "recipe"}


@pytest.mark.parametrize("name", [*FULL_SIZE, *SMALL])
def test_it_has_a_run_for_every_arm_column_and_seed(name: str) -> None:
    suite = load_suite(PAPER / f"{name}.yaml")
    assert len(plan(suite, discover())) == len(suite.arms) * len(suite.columns) * len(suite.seeds)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_every_arm_with_rl_has_the_one_recipe(name: str) -> None:
    """Memory apart, and how often a batch may be drawn, which the paper leaves open."""
    recipe = recipe_of(next(arm for arm in loaded("table2")["arms"] if arm["rl"]))
    assert all(recipe_of(arm) == recipe for arm in loaded(name)["arms"] if arm["rl"])


def recipe_of(arm: dict[str, Any]) -> dict[str, Any]:
    tricks = {one["name"]: {key: one[key] for key in one if key != "max_draws"} for one in arm["rl"]["tricks"]}
    return {**arm["rl"], "microbatch": None, "tricks": tricks}


@pytest.mark.parametrize("name", ["table5", "table7"])
def test_rows_with_demonstrations_are_trained_alike_but_for_how_many_and_how_long(name: str) -> None:
    trained = [arm["sft"] | {"steps": None, "checkpoint_every": None} for arm in loaded(name)["arms"] if arm["sft"]]
    assert len(trained) == 2 and trained[0] == trained[1]


@pytest.mark.parametrize("name", FULL_SIZE)
def test_starts_are_held_out_and_the_published_columns(name: str) -> None:
    """The keys under results/paper name the columns that published rows stand beside."""
    suite = loaded(name)
    assert suite["evaluation"] | {"per_task": 0} == {
        "starts": "held-out",
        "per_task": 0,
        "sampling": ["greedy"],
        "table": "greedy",
    }
    published = PAPER.parents[1] / "results" / "paper" / f"{name.partition('_')[0]}.yaml"
    if published.is_file():
        groups = YAML(typ="safe").load(published)["groups"]
        keys = [key for group in groups for key in group.get("keys", [])]
        assert suite["columns"] == [key for key in keys if key in suite["columns"]] or not keys


@pytest.mark.parametrize("name", ["table2", "table2_sampled", "table4", "table5", "table7"])
def test_the_released_codes_evaluation_is_under_another_protocol(name: str) -> None:
    suite = load_suite(PAPER / f"{name}.yaml")
    extra = next(one for one in suite.extra_evaluations if one.name == "simplevla-rl-code")
    assert suite.environment.options["protocol"] == "paper"
    assert extra.environment["protocol"] == "simplevla-rl-code"


def test_results_of_the_two_protocols_are_refused_in_one_table() -> None:
    libero = pytest.importorskip("vla_rl_bench_libero.contract")
    suite = load_suite(PAPER / "table2.yaml")
    options = discover().environment("libero").options
    given = [suite.environment.options, suite.environment.options | suite.extra_evaluations[0].environment]
    paper, code = (libero.protocol("libero_10", options(**one)) for one in given)
    frame = pd.DataFrame({"column": ["libero_10"] * 2, "protocol": [paper, code]})
    assert protocols(frame[:1]) == {"libero_10": paper}
    with pytest.raises(UserError, match="never share a table"):
        protocols(frame)
