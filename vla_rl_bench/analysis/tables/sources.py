"""Suites and runs that are named on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.tables.build import Place
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.changes import Change, folder_name, name_changes
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.records.frame import episodes_frame, metrics_frame, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import CHANGED, SuiteRecord, other_outputs, read_record, record_paths
from vla_rl_bench.suite.plan import evaluation_names, plan

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Source:
    """A suite and its runs, as tables, plots and reports read them."""

    folder: Path  # the suite's folder, which holds its runs
    outputs: Path  # the folder of its tables, plots and report: the same, or one below it for a changed recipe
    suite: Suite  # with its changes in its titles
    run_ids: Collection[str] | None = None  # the runs to read; None: all that are complete
    changes: tuple[Change, ...] = ()  # against the suite file

    @cached_property
    def episodes(self) -> pd.DataFrame:
        return episodes_frame(run_folders(self.folder), self.run_ids, partial(evaluation_names, self.suite))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return metrics_frame(run_folders(self.folder), self.run_ids)

    @cached_property
    def limited(self) -> set[Place]:
        """Places of the suite that have a run cut short with ``--limit``."""
        suite, records = self.suite, (RunFolder(run).read() for run in run_folders(self.folder))
        named = {(arm.name, column, seed) for arm in suite.arms for column in suite.columns for seed in suite.seeds}
        return named & {(run["arm"], run["column"], run["seed"]) for run in records if run.get("limited")}


def find_source(name: str, out: Path) -> Source:
    """Find a suite's folder, a record in it (``ablation.json``), a run's folder, or the name of a suite under `out`."""
    if Path(name).suffix == ".json" and Path(name).is_file():
        return suite_source(Path(name).parent, Path(name).name)
    for folder in (Path(name), out / name):
        if (folder / "suite.json").is_file():
            return suite_source(folder)
        if (folder / "run.json").is_file():
            return run_source(folder)
        if commands := commands_for_others(folder):
            raise UserError("\n".join([f"{folder}: only run with changed values; print these with", *commands]))
    known = [folder.name for folder in suite_folders(out)]
    raise UserError(
        f"`{name}` is no suite file, no folder of results, and no suite under {out}/.{did_you_mean(name, known)}"
    )


def suite_folders(out: Path) -> list[Path]:
    """List the folders of the suites that were run under `out`, by name."""
    return sorted(path.parent for path in out.glob("*/suite.json"))


def commands_for_others(folder: Path, command: str = "tables") -> list[str]:
    """List the commands that show the changed and earlier recipes of a suite's folder."""
    return [f"  vla-rl-bench {command} {shlex.quote(str(path))}" for path in other_outputs(folder)]


def planned_source(suite: Suite, changes: tuple[Change, ...], out: Path, catalog: Catalog) -> Source:
    """Plan the runs of a suite, under `out`."""
    run_ids = [run.id for run in plan(suite, catalog)]
    return replace(new_source(suite, changes, out), run_ids=run_ids)


def new_source(suite: Suite, changes: tuple[Change, ...], out: Path) -> Source:
    """Choose the folders of a suite's runs and outputs, under `out`."""
    folder = out / suite.name
    outputs = folder / CHANGED / folder_name(changes) if changes else folder
    return Source(folder, outputs, name_changes(suite, changes), changes=changes)


def suite_source(outputs: Path, record_name: str = "suite.json") -> Source:
    """Read the suite as it was last run."""
    record = read_record(outputs / record_name)
    if record.limited:
        raise UserError(f"{outputs}: last run with --limit, which stays out of tables; run the suite again without it")
    return source_of(record, outputs)


def source_of(record: SuiteRecord, outputs: Path) -> Source:
    """Convert a record, with its changes in the suite's titles."""
    suite = name_changes(record.suite, record.changes)
    return Source(record.folder, outputs, suite, record.run_ids, record.changes)


def run_source(folder: Path) -> Source:
    """Read a single run, for a table of one cell."""
    run = RunFolder(folder).read()
    whole = _source_with(folder.resolve().parents[1], run["id"])
    arms = tuple(arm for arm in whole.suite.arms if arm.name == run["arm"])
    table = whole.suite.table.model_copy(update={"delta": (), "references": ()})
    part = {"arms": arms, "columns": (run["column"],), "seeds": (run["seed"],), "table": table}
    if run["id"] not in (whole.run_ids or ()):  # its recipe was overwritten by an earlier version, or deleted
        part["title"] = f"{run['id']}, of a recipe that is not recorded here"
    return Source(whole.folder, whole.outputs, whole.suite.model_copy(update=part), [run["id"]], whole.changes)


def _source_with(folder: Path, run_id: str) -> Source:
    """Read the recipe that a run belongs to: the suite file's, else a changed recipe."""
    sources = (source_of(read_record(path), path.parent) for path in record_paths(folder))
    return next((source for source in sources if run_id in (source.run_ids or ())), None) or suite_source(folder)
