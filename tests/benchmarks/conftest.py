"""Fixtures of the benchmarks: ``tox -e benchmark`` runs the quick form, with ``VLA_RL_BENCH_FULL=1`` the full one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support.settings import FULL, Settings
from vla_rl_bench.catalog import discover
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.records.provenance import versions

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes import `tests.benchmarks.support` from any working directory."""
    folders = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))


@pytest.fixture
def settings() -> Settings:
    return Settings(discover(), quick=not os.environ.get(FULL))


@pytest.fixture
def libero(settings: Settings) -> EnvironmentEntry:
    """LIBERO's entry; the test is skipped if its simulator is missing."""
    try:
        entry = settings.catalog.environment("libero")
        settings.catalog.require(entry)
    except UserError as error:
        pytest.skip(str(error))
    return entry


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add what the ratios depend on to the JSON report."""
    machine_info["versions"] = versions()
    machine_info["load_average"] = os.getloadavg()
    machine_info["full"] = bool(os.environ.get(FULL))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the ratios, for which pytest-benchmark's own table has no column."""
    for benchmark in config._benchmarksession.benchmarks:  # type: ignore[attr-defined]  # there is no public name
        if "cpu_ratio" in benchmark.extra_info and "test_workloads" in benchmark.fullname:
            ratios = "CPU {cpu_ratio}, wall {wall_ratio}".format_map(benchmark.extra_info)
            terminalreporter.write_line(f"{benchmark.name}: {ratios}")
