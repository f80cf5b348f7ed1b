"""What a user names -> the suites' folders, and what has been measured in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.tables.sources import suite_source
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record
from vla_rl_bench.records.frame import countable_runs, episodes_frame, metrics_frame, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.job import run_path

if TYPE_CHECKING:
    import pandas as pd


RECORDS = ("suite.json", "ablation.json")  # a folder that was only ablated has the second alone


@dataclass(frozen=True)
class Evidence:
    """A suite and its complete runs.  planned: the ids of the runs that it means; runs: by id, in the plan's order.

    missing: ids that are not complete, each with what is known of them.
    """

    folder: Path
    suite: Suite
    planned: tuple[str, ...]
    runs: dict[str, Record]
    missing: dict[str, str]

    @cached_property
    def episodes(self) -> pd.DataFrame:
        return episodes_frame(run_folders(self.folder), self.planned)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return metrics_frame(run_folders(self.folder), self.planned)

    def of(self, arm: str, column: str | None = None) -> list[Record]:
        """The complete runs of an arm, in one column or in all."""
        return [run for run in self.runs.values() if run["arm"] == arm and column in (None, run["column"])]

    def instructions(self, column: str) -> list[str]:
        """What the column's tasks are called, by index; empty where no run says so."""
        for run in self.runs.values():
            if run["column"] == column and run.get("environment", {}).get("tasks"):
                return [task.get("instruction") or task["name"] for task in run["environment"]["tasks"]]
        return []


def find(names: Sequence[str], runs: Path = Path("runs")) -> list[Evidence]:
    """Suite folders, or a folder that holds some, or the names of suites under `runs`; each once."""
    folders = dict.fromkeys(folder for name in names for folder in _folders(name, runs))
    return [gather(folder) for folder in folders]


def gather(folder: Path) -> Evidence:
    """The suite as it was last run there; at least one of its runs must be complete."""
    source = suite_source(folder, record_name(folder))
    complete = {run["id"]: run for _, run in countable_runs(run_folders(folder), source.run_ids)}
    if not complete:
        raise UserError(f"{folder}: no complete run yet; run the suite again to resume it")
    planned = tuple(source.run_ids)
    missing = {one: _state(folder, one) for one in planned if one not in complete}
    return Evidence(folder, source.suite, planned, {one: complete[one] for one in planned if one in complete}, missing)


def record_name(folder: Path) -> str:
    """Which of `RECORDS` says what the suite is."""
    return next(name for name in RECORDS if (folder / name).is_file())


def _state(folder: Path, run_id: str) -> str:
    status = RunFolder(run_path(folder, run_id)).read().get("status")
    known = {"running": "begun, not ended", "complete": "cut short with --limit", None: "not begun"}
    return known.get(status) or str(status)


def _folders(name: str, runs: Path) -> Iterator[Path]:
    path = Path(name)
    if path.is_file():
        raise UserError(f"{name}: a file; name a suite's folder of runs, as runs/quickstart")
    if not path.is_dir() and (runs / name).is_dir():
        path = runs / name
    if not path.is_dir():
        known = sorted(one.parent.name for one in runs.glob("*/suite.json"))
        raise UserError(f"{name}: no such folder, and no suite under {runs}/.{did_you_mean(name, known)}")
    if (path / "run.json").is_file():
        raise UserError(f"{name}: a single run; name its suite's folder: {path.resolve().parents[1]}")
    within = sorted({one.parent for record in RECORDS for one in path.glob(f"*/{record}")})
    itself = any((path / record).is_file() for record in RECORDS)
    if not itself and not within:
        raise UserError(
            f"{name}: not a folder of runs, it has no suite.json; name what `run` wrote, as runs/quickstart"
        )
    yield from [path] if itself else within
