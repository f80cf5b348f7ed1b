"""Everything that this distribution registers.  Imports neither torch nor the environment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vla_rl_bench.entries import (
    AdvantageEntry,
    BenchmarkEntry,
    CheckEntry,
    CheckResult,
    EnvironmentEntry,
    ObjectiveEntry,
    PolicyEntry,
    StrategyEntry,
    SuiteEntry,
    TableFormatEntry,
    TrackerEntry,
    TrickEntry,
)
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_cart.options import CartOptions, LinearOptions, PlainOptions
from vla_rl_bench_cart.tracker import Diary
from vla_rl_bench_cart.trick import MixedGroups


@hookimpl
def register_environments() -> Iterable[EnvironmentEntry]:
    yield EnvironmentEntry(
        name="cart",
        summary="a cart that must stop on the marked part of a track",
        make="vla_rl_bench_cart.environment:make",
        suites=("short", "long"),
        options=CartOptions,
        requires=("numpy",),
        install="pip install 'numpy>=1.26'",
        behaviour="vla_rl_bench_cart.behaviour:behaviour",
    )


@hookimpl
def register_policies() -> Iterable[PolicyEntry]:
    yield PolicyEntry(
        name="linear",
        summary="one hidden layer on pixels and proprioception",
        make="vla_rl_bench_cart.policy:make",
        options=LinearOptions,
        requires=("torch",),
        expects="vla_rl_bench_cart.space:expects",
    )


@hookimpl
def register_strategies() -> Iterable[StrategyEntry]:
    yield StrategyEntry(
        name="plain",
        summary="one process on the CPU",
        make="vla_rl_bench_cart.strategy:make",
        options=PlainOptions,
        requires=("torch",),
    )


@hookimpl
def register_tricks() -> Iterable[TrickEntry]:
    yield TrickEntry(name="mixed-groups", summary="groups that have successes and failures", trick=MixedGroups)


@hookimpl
def register_advantages() -> Iterable[AdvantageEntry]:
    yield AdvantageEntry(
        name="centred", summary="return minus the mean of its group", function="vla_rl_bench_cart.learning:centred"
    )


@hookimpl
def register_objectives() -> Iterable[ObjectiveEntry]:
    yield ObjectiveEntry(
        name="unclipped", summary="ratio times advantage", function="vla_rl_bench_cart.learning:unclipped"
    )


@hookimpl
def register_trackers() -> Iterable[TrackerEntry]:
    yield TrackerEntry(name="diary", summary="a line of text for every event", tracker=Diary)


@hookimpl
def register_table_formats() -> Iterable[TableFormatEntry]:
    yield TableFormatEntry(
        name="org", summary="a table for Emacs", render="vla_rl_bench_cart.tables:as_org", extension="org"
    )


@hookimpl
def register_benchmarks() -> Iterable[BenchmarkEntry]:
    yield BenchmarkEntry(
        name="cart", summary="a step of the cart", letter="Z", rows="vla_rl_bench_cart.measured:rows"
    )


@hookimpl
def register_suites() -> Iterable[SuiteEntry]:
    yield SuiteEntry(name="cart", summary="the cart in seconds", path=Path(__file__).with_name("suite.yaml"))


@hookimpl
def register_checks() -> Iterable[CheckEntry]:
    yield CheckEntry(
        name="cart", check=lambda: [CheckResult(True, f"NumPy {np.__version__}", "pip install 'numpy>=1.26'")]
    )


@hookimpl
def register_commands(app: Any) -> None:
    @app.command()
    def cart() -> None:
        """Print the tasks of the cart."""
        from vla_rl_bench_cart.environment import contract

        for task in contract("short", CartOptions()).tasks:
            print(f"{task.name}: {task.instruction}")
