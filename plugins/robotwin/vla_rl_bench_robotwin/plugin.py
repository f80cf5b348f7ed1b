"""The hooks of this plugin.  Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vla_rl_bench.entries import CheckEntry, CheckResult, EnvironmentEntry
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_robotwin import tasks
from vla_rl_bench_robotwin.interpreter import ROBOTWIN
from vla_rl_bench_robotwin.options import RoboTwin1Options, RoboTwinOptions
from vla_rl_bench_robotwin.v1 import tasks as one_tasks


@hookimpl
def register_environments() -> Iterable[EnvironmentEntry]:
    yield EnvironmentEntry(
        name="robotwin2",
        summary="RoboTwin 2.0, two arms on 50 tasks in SAPIEN, in an interpreter of its own",
        make="vla_rl_bench_robotwin.v2.environment:make",
        suites=tasks.SUITES,
        options=RoboTwinOptions,
        interpreter=ROBOTWIN,
        needs="vla_rl_bench_robotwin.needs:needs",
    )
    yield EnvironmentEntry(
        name="robotwin1",
        summary="RoboTwin 1.0, two arms on 17 tasks, from your checkout of its branch (ROBOTWIN1_ROOT)",
        make="vla_rl_bench_robotwin.v1.environment:make",
        suites=one_tasks.SUITES,
        options=RoboTwin1Options,
        interpreter=ROBOTWIN,
        needs="vla_rl_bench_robotwin.v1.needs:needs",
    )


@hookimpl
def register_checks() -> Iterable[CheckEntry]:
    yield CheckEntry(name="robotwin", check=_check)
    yield CheckEntry(name="robotwin1", check=_check_one)


def _check() -> Sequence[CheckResult]:
    from vla_rl_bench_robotwin.needs import check

    return check()


def _check_one() -> Sequence[CheckResult]:
    from vla_rl_bench_robotwin.v1.needs import check

    return check()
