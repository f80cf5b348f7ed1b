"""A run is exported with the task suite and the interpreter that it was trained with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.config.suites import load_suite_text
from tests.suite.exporting import Plugin
from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.suite.export import export
from vla_rl_bench.suite.runner import run_suite

CATALOG = Catalog.of(builtin=builtin, exporting=Plugin())
SUITE = """
name: renamed
environment: {name: counter}
columns: [mine]
task_suites: {mine: Counter}
policy: {name: exporting, patch: 8, width: 16, heads: 1}
seeds: [0]
arms:
  - {name: sft, demonstrations: {per_task: 1}, sft: {steps: 1, batch_size: 1, learning_rate: 1e-3}}
evaluation: {per_task: 1}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that notes each start in a file beside it."""
    path = tmp_path_factory.mktemp("python") / "python"
    path.write_text(f'#!/bin/sh\necho started >> "$0.log"\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def run(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suite = load_suite_text(SUITE, [f"environment.python={python}"], CATALOG)
    folder = run_suite(suite, CATALOG, tmp_path_factory.mktemp("runs") / "renamed", jobs=1, limit=1)
    return next((folder / "runs").iterdir())


def test_export_opens_the_task_suite_of_a_renamed_column(run: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "exported", CATALOG)
    assert (folder / "task_suite.txt").read_text() == "Counter"


@pytest.mark.parametrize("record", ["suite.json", "ablation.json"])
def test_export_starts_the_interpreter_of_the_suite(run: Path, python: Path, tmp_path: Path, record: str) -> None:
    log = Path(f"{python}.log")
    log.unlink(missing_ok=True)
    suite = run.parents[1] / "suite.json"
    suite.rename(suite.with_name(record))
    try:
        export(run, tmp_path / "exported", CATALOG)
    finally:
        suite.with_name(record).rename(suite)
    assert log.read_text() == "started\n"
