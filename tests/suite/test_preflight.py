"""Requirements are checked before anything runs, with the command that installs what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.plugins_in_hand import registering, with_builtin
from vla_rl_bench.builtin.plugin import register_environments
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.entries import CheckResult, Interpreter
from vla_rl_bench.errors import MissingRequirement
from vla_rl_bench.suite import preflight
from vla_rl_bench.suite.runner import run_suite

SMALL = Path(__file__).parent / "small.yaml"
PICKY = Interpreter("picky", "for a test", ("3.11",), ())


def two_files(suites: Sequence[str], options: Any, python: str | None) -> list[CheckResult]:
    """`EnvironmentEntry.needs` of the environment below."""
    names = [f"{suite}.mesh" for suite in suites]
    there = [CheckResult(True, "a driver")]
    return [*there, *(CheckResult(False, f"no {name}", "fetch meshes") for name in (*names, "table.mesh"))]


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Tabletop under another name, with needs."""
    monkeypatch.setenv("VLA_RL_BENCH_ENVIRONMENTS", str(tmp_path))
    tabletop = next(iter(register_environments()))
    needy = replace(tabletop, name="needy", batched=False, interpreter=PICKY, needs=f"{__name__}:two_files")
    return with_builtin(needy=registering(register_environments=[needy]))


def load(catalog: Catalog, *changes: str) -> Any:
    return load_suite(SMALL, ["environment.name=needy", *changes], catalog)


def test_check_requirements_lists_what_is_missing_and_nothing_else(catalog: Catalog) -> None:
    suite = load(catalog)
    whats = [result.what for result in preflight.check_requirements(suite, catalog)]
    assert whats == [
        "needy: the workers' interpreter `picky` has not been built",
        *(f"needy: no {column}.mesh" for column in suite.columns),
        "needy: no table.mesh",
    ]


def test_as_lines_writes_a_command_once_for_neighbors(catalog: Catalog) -> None:
    lines = list(preflight.as_lines(preflight.check_requirements(load(catalog), catalog)))
    assert [line for line in lines if "Run:" in line] == [
        "      Run: vla-rl-bench env create picky",
        "      Run: fetch meshes",
    ]


def test_check_requirements_names_an_interpreter_that_does_not_exist(catalog: Catalog) -> None:
    suite = load(catalog, "environment.python=/nowhere/python")
    first = preflight.check_requirements(suite, catalog)[0]
    assert first.what == "environment.python: /nowhere/python is no program"


def test_dry_run_lists_the_runs_and_then_what_is_missing(
    catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MissingRequirement, match="requirements are missing; fix them before this suite can run"):
        run_suite(load(catalog), catalog, tmp_path / "runs", dry_run=True)
    text = capsys.readouterr().out
    assert text.index("nothing was run") < text.index("Missing on this machine:") < text.index("env create picky")
    assert not (tmp_path / "runs").exists()


def test_run_suite_checks_requirements_before_it_writes(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match=r"no table\.mesh"):
        run_suite(load(catalog), catalog, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_run_suite_reports_one_missing_requirement_in_one_line(tmp_path: Path) -> None:
    tabletop = replace(
        next(iter(register_environments())), name="needy", requires=("nowhere",), install="pip install it"
    )
    catalog = with_builtin(needy=registering(register_environments=[tabletop]))
    with pytest.raises(MissingRequirement) as error:
        run_suite(load(catalog), catalog, tmp_path / "runs")
    assert str(error.value) == "needy needs `nowhere`, which this interpreter lacks. Run: pip install it"
    assert (error.value.what, error.value.advice) == (str(error.value).split(". Run")[0], "pip install it")


def test_check_requirements_is_empty_for_a_suite_that_can_run(tmp_path: Path) -> None:
    catalog = with_builtin()
    suite = load_suite(SMALL, (), catalog)
    assert preflight.check_requirements(suite, catalog) == []
    run_suite(suite, catalog, tmp_path / "runs", dry_run=True)
