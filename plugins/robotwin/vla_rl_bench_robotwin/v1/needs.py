"""Needs of a suite on RoboTwin 1.0 beyond Python packages: `EnvironmentEntry.needs` and ``doctor``'s line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench.entries import CheckResult
from vla_rl_bench_robotwin import machine
from vla_rl_bench_robotwin.assets import REAL_INSTEAD
from vla_rl_bench_robotwin.options import RoboTwin1Options
from vla_rl_bench_robotwin.v1 import checkout as checkouts
from vla_rl_bench_robotwin.v1.tasks import TASKS, Task, tasks_of

_ASSETS = (
    'cd {0} && "$(vla-rl-bench env path robotwin)" script/download_asset.py '
    "&& unzip -n aloha_urdf.zip && unzip -n main_models.zip"
)


def needs(suites: Sequence[str], options: RoboTwin1Options, python: str | None) -> list[CheckResult]:
    """python: the workers' interpreter; None where it is still to be built."""
    tasks = list(dict.fromkeys(task for suite in suites for task in tasks_of(suite)))
    results = [machine.loader(python), machine.vulkan(python)]
    if python is not None:
        results.append(machine.planner(python))
    place = checkouts.root()
    results.append(checkout(place))
    if place is None or not results[-1].ok:
        whats = [f"assets of {task.name}: {', '.join(task.models)} of main_models.zip" for task in tasks if task.models]
        if whats:
            whats.insert(
                0, "assets: not unpacked: aloha_urdf.zip, main_models.zip of the hub data set ZanxinChen/RoboTwin_asset"
            )
        return results + [CheckResult(False, what, _ASSETS.format("$" + checkouts.VARIABLE)) for what in whats]
    return results + assets(place, tasks, options)


def checkout(place: Path | None) -> CheckResult:
    """The branch's files."""
    if place is None:
        return CheckResult(False, f"{checkouts.VARIABLE} is not set: no checkout of branch RoboTwin-1.0", checkouts.GET)
    if not (place / "envs" / "base_task.py").is_file():
        return CheckResult(False, f"{place} ({checkouts.VARIABLE}) is no checkout of RoboTwin-1.0", checkouts.GET)
    return CheckResult(True, f"RoboTwin 1.0 in {place}")


def assets(place: Path, tasks: Sequence[Task], options: RoboTwin1Options) -> list[CheckResult]:
    """The robot, and each task's folders of models."""
    meshed = [task for task in tasks if not task.mesh_free]
    robot = checkouts.has_robot(place)
    if options.assets == "procedural" or (options.assets == "auto" and not meshed and not robot):
        if meshed:
            what = f"{', '.join(task.name for task in meshed)}: not without meshes, so not on procedural assets"
            return [CheckResult(False, what, REAL_INSTEAD)]
        return [CheckResult(True, "procedural assets: nothing to download, not comparable with published numbers")]
    advice = _ASSETS.format(place)
    results = [
        CheckResult(robot, "assets of the arms" + ("" if robot else f": no {checkouts.ROBOT} in {place}"), advice)
    ]
    for task in meshed:
        lacking = [name for name in task.models if not any((place / "models" / name).glob("*"))]
        what = f"assets of {task.name}" + (
            f": models/{', models/'.join(lacking)} are missing in {place}" if lacking else ""
        )
        results.append(CheckResult(not lacking, what, advice))
    return results


def check() -> list[CheckResult]:
    """For ``doctor``; to have no checkout is no fault."""
    place = checkouts.root()
    if place is None:
        return [CheckResult(True, f"not set up; to run RoboTwin 1.0: {checkouts.GET}")]
    state = checkout(place)
    return [state, *assets(place, list(TASKS.values()), RoboTwin1Options(assets="real"))] if state.ok else [state]
