"""Needs of a suite on RoboTwin 2.0 beyond Python packages: `EnvironmentEntry.needs` and ``doctor``'s lines."""

from __future__ import annotations

from collections.abc import Sequence

from vla_rl_bench.entries import CheckResult
from vla_rl_bench.rollout import interpreters
from vla_rl_bench_robotwin import assets, machine
from vla_rl_bench_robotwin.interpreter import ROBOTWIN, RUNTIME
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.tasks import tasks_of


def needs(suites: Sequence[str], options: RoboTwinOptions, python: str | None) -> list[CheckResult]:
    """python: the workers' interpreter; None where it is still to be built."""
    tasks = list(dict.fromkeys(task for suite in suites for task in tasks_of(suite)))
    results = [machine.loader(python), machine.vulkan(python)]
    if python is not None:
        results += [machine.runtime(python, RUNTIME), machine.planner(python, options.planner)]
    return [*results, *assets.check_tasks(tasks, options)]


def check() -> list[CheckResult]:
    """For ``doctor``."""
    interpreter = interpreters.find(ROBOTWIN)
    if interpreter is None:
        what = f"the workers' interpreter `{ROBOTWIN.name}` {interpreters.problem(ROBOTWIN)}"
        first = [CheckResult(False, what, f"vla-rl-bench env create {ROBOTWIN.name}")]
    else:
        first = [machine.runtime(str(interpreter), RUNTIME), machine.planner(str(interpreter))]
    python = str(interpreter) if interpreter else None
    return [*first, machine.loader(python), machine.vulkan(python), assets.check_all()]
