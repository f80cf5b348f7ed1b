"""The suites that use this plugin, with and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import read_json
from vla_rl_bench.suite.plan import plan

REPOSITORY = Path(__file__).parents[3]
SUITES = REPOSITORY / "suites" / "small"


@pytest.mark.parametrize(("name", "committed"), [("pushcut", "."), ("pushcut_easy", "easy")])
def test_the_tracker_changes_no_run_id(name: str, committed: str) -> None:
    suite = load_suite(SUITES / f"{name}.yaml")
    assert [tracker.name for tracker in suite.trackers] == ["behaviors"]
    runs = read_json(REPOSITORY / "results" / "pushcut" / committed / "suite.json")["runs"]
    assert {run.id for run in plan(suite, discover())} <= set(runs)


@pytest.mark.parametrize("name", ["pushcut", "pushcut_easy"])
def test_without_the_plugin_the_error_names_the_distribution(name: str) -> None:
    with pytest.raises(UserError) as caught:
        load_suite(SUITES / f"{name}.yaml", (), Catalog.of(builtin=builtin))
    file, line, message = str(caught.value).split(":", 2)
    assert Path(file).read_text().splitlines()[int(line) - 1].startswith("plugins:")
    assert message == " plugins.vla-rl-bench-behaviors: is not installed. Run: pip install -e plugins/behaviors"
