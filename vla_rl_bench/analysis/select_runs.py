"""Names on the command line -> a suite and its runs: one resolver for tables, comparisons, power and reports.

A name is a suite file, a folder that `run` or `ablate` wrote, a record in it (``ablation.json``), the name of a suite
under `out`, or the folder of one run.  ``NAME:ARM`` is one arm of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench import catalog
from vla_rl_bench.config.changes import Change, folder_name, name_changes, read_changes
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record
from vla_rl_bench.records.frame import countable_runs, episodes_frame, metrics_frame, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import CHANGED, RECORDS, other_outputs, read_record, record_paths
from vla_rl_bench.suite.plan import evaluation_names, plan, run_path

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SuiteRuns:
    """A suite, or a part of it, and its runs."""

    folder: Path  # the suite's folder, which holds its runs
    outputs: Path  # the folder of its tables, plots and report: the same, or one below it for a changed recipe
    suite: Suite  # with its changes in its titles
    run_ids: Collection[str] | None = None  # the runs to read; None: all that are complete
    changes: tuple[Change, ...] = ()  # against the suite file
    record: Path | None = None  # ``suite.json`` or ``ablation.json``; None for a suite file

    @cached_property
    def complete(self) -> dict[str, Record]:
        """Records of the complete runs by id, in the order of columns, seeds and arms."""
        suite, arms = self.suite, [arm.name for arm in self.suite.arms]
        order: dict[str, Sequence[object]] = {"column": suite.columns, "seed": suite.seeds, "arm": arms}
        runs = [run for _, run in countable_runs(run_folders(self.folder), self.run_ids)]
        runs = [run for run in runs if all(run[key] in values for key, values in order.items())]
        runs.sort(key=lambda run: [values.index(run[key]) for key, values in order.items()])
        return {run["id"]: run for run in runs}

    @property
    def planned(self) -> int:
        """The number of runs."""
        return len(self.suite.arms) * len(self.suite.columns) * len(self.suite.seeds)

    @cached_property
    def missing(self) -> dict[str, str]:
        """Ids of the suite's runs that are not complete, with their status as text."""
        texts = {"running": "started, not finished", "complete": "shortened by --limit", None: "not started"}
        statuses = {
            run_id: RunFolder(run_path(self.folder, run_id)).read().get("status")
            for run_id in self.run_ids or ()
            if run_id not in self.complete
        }
        return {run_id: texts.get(status) or str(status) for run_id, status in statuses.items()}

    def complete_runs(self, arm: str, column: str) -> list[Record]:
        return [run for run in self.complete.values() if (run["arm"], run["column"]) == (arm, column)]

    def task_title(self, column: str, task: int) -> str:
        """Instruction of a task, or its index if no run recorded it."""
        for run in self.complete.values():
            tasks = (run.get("environment") or {}).get("tasks") or ()
            if run["column"] == column and task < len(tasks):
                return str(tasks[task].get("instruction") or tasks[task]["name"])
        return f"task {task}"

    @cached_property
    def episodes(self) -> pd.DataFrame:
        return episodes_frame(run_folders(self.folder), self.run_ids, partial(evaluation_names, self.suite))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return metrics_frame(run_folders(self.folder), self.run_ids)

    @cached_property
    def limited(self) -> set[tuple[str, str, int]]:
        """Arm, column and seed of the runs that ``--limit`` cut short."""
        suite, records = self.suite, (RunFolder(run).read() for run in run_folders(self.folder))
        named = {(arm.name, column, seed) for arm in suite.arms for column in suite.columns for seed in suite.seeds}
        return named & {(run["arm"], run["column"], run["seed"]) for run in records if run.get("limited")}


@dataclass(frozen=True, eq=False)
class SelectedRuns:
    """The complete runs of one arm: a side of a comparison."""

    name: str
    title: str
    runs: tuple[tuple[Path, Record], ...]
    missing: int = 0  # runs of the arm that are not complete
    suite: Suite | None = None  # whose evaluations are compared; None: those that the runs recorded first

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(run["column"] for _, run in self.runs))


def select(name: str, out: Path, overrides: Sequence[str] = (), *, allow_limited: bool = False) -> SuiteRuns:
    """Select the runs that a name means.

    Args:
        name: A name as described in this module's docstring.
        out: The folder of suites' folders.
        overrides: Changes ``a.b=c`` of a suite file.
        allow_limited: Accept a suite that was last run with ``--limit``; its limited runs never count.
    """
    suites = _suites(name, out, overrides, allow_limited)
    if suites:
        return suites[0]
    suite_name, _, arm = name.rpartition(":")
    suites = _suites(suite_name, out, overrides, allow_limited) if suite_name else []
    for suite in suites:
        if arm in _arms(suite):
            return _part(suite, next(candidate for candidate in suite.suite.arms if candidate.name == arm))
    if suites:
        arms = [candidate for suite in suites for candidate in _arms(suite)]
        raise UserError(f"`{name}`: {suite_name} has no arm `{arm}`.{did_you_mean(arm, arms)}")
    for folder in (Path(suite_name or name), out / (suite_name or name)):
        if changed := other_outputs(folder):
            names = [f"  {shlex.quote(str(path))}{':' + arm if suite_name else ''}" for path in changed]
            raise UserError("\n".join([f"`{name}`: only run with changed values; name one of these", *names]))
    near = did_you_mean(suite_name or name, [record.parent.name for record in _records_inside(out)])
    raise UserError(f"`{name}` is no suite file, no folder of results, and no suite under {out}/.{near}")


def select_arm(name: str, out: Path) -> SelectedRuns:
    """Select one arm, or one run, as a side of a comparison."""
    if (Path(name) / "run.json").is_file():
        return _run_alone(name)
    runs = select(name, out, allow_limited=True)
    if len(runs.suite.arms) > 1:
        arms = " or ".join(f"`{name}:{arm}`" for arm in _arms(runs))
        raise UserError(f"`{name}` is a suite; one side is one arm of it. Write {arms}.")
    if not runs.complete:
        raise UserError(f"`{name}`: no complete run in {runs.folder}; run the suite again, without --limit")
    [arm] = runs.suite.arms
    complete = tuple((run_path(runs.folder, run_id), run) for run_id, run in runs.complete.items())
    return SelectedRuns(name, arm.title or arm.name, complete, runs.planned - len(complete), runs.suite)


def select_all(names: Sequence[str], out: Path, overrides: Sequence[str] = ()) -> list[SuiteRuns]:
    """Select each name's suite, once; a folder of suites' folders means all in it, no name all under `out`."""
    suites: list[SuiteRuns] = []
    for name in names or [str(out)]:
        folder = next((path for path in (Path(name), out / name) if path.is_dir()), None)
        inside = [] if folder is None or record_paths(folder) else _records_inside(folder)
        suites += [recorded(path) for path in inside] if inside else [select(name, out, overrides)] if names else []
    return list({(suite.outputs, suite.record): suite for suite in suites}.values())


def new_runs(suite: Suite, changes: tuple[Change, ...], out: Path) -> SuiteRuns:
    """The runs of a suite under `out`, and the folder of its outputs, before it is run."""
    folder = out / suite.name
    outputs = folder / CHANGED / folder_name(changes) if changes else folder
    return SuiteRuns(folder, outputs, name_changes(suite, changes), changes=changes)


def recorded(path: Path, *, allow_limited: bool = False) -> SuiteRuns:
    """The suite of a record, ``suite.json`` or ``ablation.json``, as it was last run."""
    record, outputs = read_record(path), path.parent
    if record.limited and not allow_limited:
        raise UserError(f"{outputs}: last run with --limit, which stays out of tables; run the suite again without it")
    suite = name_changes(record.suite, record.changes)
    return SuiteRuns(record.folder, outputs, suite, record.run_ids, record.changes, path)


def is_suite_file(name: str) -> bool:
    """Tell a suite file from a record, which is JSON."""
    return Path(name).is_file() and Path(name).suffix != ".json"


def _suites(name: str, out: Path, overrides: Sequence[str], allow_limited: bool) -> list[SuiteRuns]:
    """The suites of a name without an arm: several for a folder of a suite and its ablation, none if it is unknown."""
    path = Path(name)
    if is_suite_file(name):
        plugins = catalog.discover()
        suite = load_suite(path, overrides, plugins)
        runs = new_runs(suite, read_changes(path, overrides, suite, plugins), out)
        return [replace(runs, run_ids=[run.id for run in plan(suite, plugins)])]
    if path.is_file():
        return [recorded(path, allow_limited=allow_limited)]
    for folder in (path, out / name):
        records = [folder / record for record in RECORDS if (folder / record).is_file()]
        if records:
            return [recorded(record, allow_limited=allow_limited) for record in records]
        if (folder / "run.json").is_file():
            return [_run_in_suite(folder)]
    return []


def _records_inside(folder: Path) -> list[Path]:
    """The record of each suite's folder in a folder: that of an ablation only if there is no other."""
    paths = {path.parent: path for name in reversed(RECORDS) for path in folder.glob(f"*/{name}")}
    return [paths[parent] for parent in sorted(paths)]


def _arms(runs: SuiteRuns) -> list[str]:
    return [arm.name for arm in runs.suite.arms]


def _part(runs: SuiteRuns, arm: ArmConfig, **changes: object) -> SuiteRuns:
    """One arm of a suite, without differences and published rows."""
    table = runs.suite.table.model_copy(update={"delta": (), "references": ()})
    return replace(runs, suite=runs.suite.model_copy(update={"arms": (arm,), "table": table, **changes}))


def _run_in_suite(folder: Path) -> SuiteRuns:
    """One run as a part of its suite, or of a changed recipe of it."""
    run = RunFolder(folder).read()
    suite_folder = folder.resolve().parents[1]
    suites = (recorded(path, allow_limited=True) for path in record_paths(suite_folder))
    whole = next((suite for suite in suites if run["id"] in (suite.run_ids or ())), None)
    part: dict[str, object] = {"columns": (run["column"],), "seeds": (run["seed"],)}
    if whole is None:  # its recipe was overwritten by an earlier version, or deleted
        whole = recorded(suite_folder / RECORDS[0], allow_limited=True)
        part["title"] = f"{run['id']}, of a recipe that is not recorded here"
    arm = next((arm for arm in whole.suite.arms if arm.name == run["arm"]), None)
    if arm is None:
        raise UserError(f"{folder}: its suite has no arm `{run['arm']}` any more; run the suite again")
    return replace(_part(whole, arm, **part), run_ids=[run["id"]])


def _run_alone(name: str) -> SelectedRuns:
    """One run, with or without the suite that it belongs to."""
    folder = Path(name).resolve()
    run = RunFolder(folder).read()
    if run.get("limited"):
        raise UserError(f"{name}: a run with --limit, which is no evidence; run the suite again without it")
    if run.get("status") != "complete":
        raise UserError(f"{name}: not complete yet; run its suite again to resume it")
    return SelectedRuns(folder.name, str(run.get("arm_title") or run["arm"]), ((folder, run),))
