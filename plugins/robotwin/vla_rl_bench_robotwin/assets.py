"""Folder of RoboTwin 2.0's assets, and the assets that a suite's tasks lack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench.entries import CheckResult
from vla_rl_bench_robotwin import manifest
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.tasks import TASKS, Task

ASSETS, CHECKOUT = "ROBOTWIN_ASSETS_ROOT", "ROBOTWIN_ROOT"
DOWNLOAD = (
    '"$(dirname "$(vla-rl-bench env path robotwin)")/robotwin-download-assets" --output ~/robotwin-assets '
    f"&& export {ASSETS}=~/robotwin-assets"
)

REAL_INSTEAD = "vla-rl-bench run SUITE environment.assets=real   # or choose the column mesh_free"


def root() -> tuple[str, Path] | None:
    """The variable that names the assets' root, and the folder; ``ROBOTWIN_ASSETS_ROOT`` goes before a checkout."""
    for variable in (ASSETS, CHECKOUT):
        if os.environ.get(variable):
            return variable, Path(os.environ[variable]).expanduser().absolute()
    return None


def resolve(options: RoboTwinOptions, tasks: Sequence[Task]) -> str:
    """``real`` or ``procedural``: as the options say; on `auto` real where assets are set or needed."""
    if options.assets != "auto":
        return options.assets
    return "procedural" if root() is None and all(task.mesh_free for task in tasks) else "real"


def check_tasks(tasks: Sequence[Task], options: RoboTwinOptions) -> list[CheckResult]:
    """Check the assets that a suite needs: a line per task and one for the arms."""
    if resolve(options, tasks) == "procedural":
        meshed = [task.name for task in tasks if not task.mesh_free]
        if meshed:
            what = f"{', '.join(meshed)}: no task without a mesh, so not on procedural assets"
            return [CheckResult(False, what, REAL_INSTEAD)]
        return [CheckResult(True, "procedural assets: nothing to download, not comparable with published numbers")]
    embodiment = "aloha-agilex" if options.embodiment == "auto" else options.embodiment
    configured = root()
    if configured is None:
        return _unset(tasks, embodiment)
    variable, place = configured
    if not (place / "assets").is_dir():
        what = f"assets: there is no folder `assets` in {place} ({variable})"
        return [CheckResult(False, what, DOWNLOAD)]
    results = [_line(f"arms {embodiment}", manifest.missing_embodiment(place, embodiment), place)]
    results += [_line(task.name, manifest.missing_objects(place, task), place) for task in tasks if not task.mesh_free]
    if options.randomisation:
        results.append(_line("randomisation", manifest.missing_randomisation(place), place))
    return results


def _unset(tasks: Sequence[Task], embodiment: str) -> list[CheckResult]:
    whats = [
        f"assets: {ASSETS} is not set; what {_names(tasks)} needs is in the hub data set {manifest.DATASET}",
        f"assets of the arms: {embodiment} of embodiments.zip",
    ]
    whats += [f"assets of {task.name}: {', '.join(task.needs)} of objects.zip" for task in tasks if task.needs]
    return [CheckResult(False, what, DOWNLOAD) for what in whats]


def _names(tasks: Sequence[Task]) -> str:
    """For a sentence: the first task, and how many more."""
    return tasks[0].name + (f" (and {len(tasks) - 1} more tasks)" if len(tasks) > 1 else "")


def _line(what: str, missing: Sequence[manifest.Missing], place: Path) -> CheckResult:
    if not missing:
        return CheckResult(True, f"assets of {what} are complete")
    first, more = missing[0], f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
    archives = sorted({file.archive for file in missing})
    advice = (
        f"for one in {' '.join(archives)}; do hf download {manifest.DATASET} $one --repo-type dataset "
        f"--revision {manifest.REVISION} --local-dir . && unzip -n $one -d {place / 'assets'}; done"
    )
    return CheckResult(False, f"assets of {what}: {first.path}{more} are missing in {place}", advice)


def check_all() -> CheckResult:
    """For `doctor`, which knows no suite: how many of the 50 tasks have all their objects."""
    configured = root()
    meshed = [task for task in TASKS.values() if not task.mesh_free]
    if configured is None:
        free = len(TASKS) - len(meshed)
        what = f"assets: not set up; the {free} tasks without a mesh run on procedural ones. For the others: {DOWNLOAD}"
        return CheckResult(True, what)
    variable, place = configured
    incomplete = [task.name for task in meshed if manifest.missing_objects(place, task)]
    if manifest.missing_embodiment(place, "aloha-agilex"):
        return CheckResult(False, f"assets: arms aloha-agilex are missing in {place} ({variable})", DOWNLOAD)
    if incomplete:
        what = f"assets in {place}: {len(incomplete)} of {len(meshed)} tasks lack objects, such as {incomplete[0]}"
        return CheckResult(False, what, DOWNLOAD)
    return CheckResult(True, f"assets in {place}: all {len(TASKS)} tasks complete")
