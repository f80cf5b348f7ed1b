"""Suites named on the command line, with their complete runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vla_rl_bench.analysis.tables.sources import Source, commands_for_others, suite_source
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record
from vla_rl_bench.records.frame import countable_runs, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import RECORDS
from vla_rl_bench.suite.plan import run_path


@dataclass(frozen=True)
class SuiteResults(Source):
    """A suite and its complete runs."""

    planned: tuple[str, ...] = ()  # run ids of the suite
    runs: dict[str, Record] = field(default_factory=dict)  # complete runs by id, in the plan's order
    missing: dict[str, str] = field(default_factory=dict)  # ids of other runs, with their status as text

    def complete_runs(self, arm: str, column: str) -> list[Record]:
        return [run for run in self.runs.values() if (run["arm"], run["column"]) == (arm, column)]

    def task_title(self, column: str, task: int) -> str:
        """Instruction of a task, or its index if no run recorded it."""
        for run in self.runs.values():
            tasks = (run.get("environment") or {}).get("tasks") or ()
            if run["column"] == column and task < len(tasks):
                return str(tasks[task].get("instruction") or tasks[task]["name"])
        return f"task {task}"


def read_suites(names: Sequence[str], runs: Path = Path("runs")) -> list[SuiteResults]:
    """Read suite folders, folders of suite folders, or names of suites under `runs`; each once."""
    return [read_suite(folder) for folder in dict.fromkeys(folder for name in names for folder in _folders(name, runs))]


def read_suite(outputs: Path) -> SuiteResults:
    """Read the suite as it was last run; at least one of its runs must be complete."""
    source = suite_source(outputs, record_path(outputs).name)
    planned = tuple(source.run_ids or ())
    complete = {run["id"]: run for _, run in countable_runs(run_folders(source.folder), planned)}
    if not complete:
        raise UserError(f"{outputs}: no complete run yet; run the suite again to resume it")
    missing = {run_id: _status(source.folder, run_id) for run_id in planned if run_id not in complete}
    runs = {run_id: complete[run_id] for run_id in planned if run_id in complete}
    read = (source.folder, source.outputs, source.suite, source.run_ids, source.changes)
    return SuiteResults(*read, planned=planned, runs=runs, missing=missing)


def record_path(folder: Path) -> Path:
    """Path of the suite's record in its folder."""
    return next(folder / name for name in RECORDS if (folder / name).is_file())


def _status(folder: Path, run_id: str) -> str:
    status = RunFolder(run_path(folder, run_id)).read().get("status")
    texts = {"running": "started, not finished", "complete": "shortened by --limit", None: "not started"}
    return texts.get(status) or str(status)


def _folders(name: str, runs: Path) -> Iterator[Path]:
    path = Path(name)
    if path.is_file():
        raise UserError(f"{name}: a file; name a suite's folder of runs, as runs/quickstart")
    if not path.is_dir() and (runs / name).is_dir():
        path = runs / name
    if not path.is_dir():
        known = sorted(record.parent.name for record in runs.glob("*/suite.json"))
        raise UserError(f"{name}: no such folder, and no suite under {runs}/.{did_you_mean(name, known)}")
    if (path / "run.json").is_file():
        raise UserError(f"{name}: a single run; name its suite's folder: {path.resolve().parents[1]}")
    within = sorted({record.parent for record_name in RECORDS for record in path.glob(f"*/{record_name}")})
    itself = any((path / record_name).is_file() for record_name in RECORDS)
    if not itself and (commands := commands_for_others(path, "report")):
        raise UserError("\n".join([f"{name}: only run with changed values; the page of each is written by", *commands]))
    if not itself and not within:
        raise UserError(
            f"{name}: not a folder of runs, it has no suite.json; name a folder that `run` wrote, as runs/quickstart"
        )
    yield from [path] if itself else within
