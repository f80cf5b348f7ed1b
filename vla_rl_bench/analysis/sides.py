"""What a user names as one side of a comparison: a run's folder, or an arm of a suite that was run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record, read_json
from vla_rl_bench.records.frame import countable_runs, run_folders
from vla_rl_bench.records.store import RunFolder


@dataclass(frozen=True, eq=False)
class Side:
    """One arm's complete runs.  missing: ids that its suite names and that are not there, or not complete."""

    name: str
    title: str
    runs: tuple[tuple[Path, Record], ...]
    missing: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(run["column"] for _, run in self.runs))


def find_side(name: str, out: Path) -> Side:
    """``runs/quickstart/runs/sft-object-s0-0123456789``, or ``quickstart:sft``, or ``runs/quickstart:sft``."""
    if (Path(name) / "run.json").is_file():
        return _run_side(name)
    suite, _, arm = name.rpartition(":")
    folder = next((folder for folder in (Path(suite or name), out / (suite or name)) if _records(folder)), None)
    if folder is None:
        known = sorted(path.parent.name for path in out.glob("*/suite.json"))
        near = did_you_mean(suite or name, known)
        raise UserError(f"`{name}` is no run's folder and no SUITE:ARM of a suite under {out}/.{near}")
    if not suite:
        refuse_whole_suite(name, _arms(folder))
    return _arm_side(name, folder, arm)


def planned_side(name: str, folder: Path, arm: str, columns: Sequence[str], wanted: Sequence[str]) -> Side:
    """An arm's complete runs of these ids, in the columns' order."""
    runs = [(path, run) for path, run in countable_runs(run_folders(folder), wanted) if run["arm"] == arm]
    if not runs:
        raise UserError(f"`{name}`: no complete run in {folder}; run the suite again, without --limit")
    runs.sort(key=lambda one: (columns.index(one[1]["column"]), one[1]["seed"]))
    there = {run["id"] for _, run in runs}
    return Side(name, _title(runs[0][1]), tuple(runs), tuple(one for one in wanted if one not in there))


def refuse_whole_suite(name: str, arms: Sequence[str]) -> NoReturn:
    """A suite where one arm of it is wanted."""
    each = " or ".join(f"`{name}:{one}`" for one in arms)
    raise UserError(f"`{name}` is a suite; one side is one arm of it. Write {each}.")


def _run_side(name: str) -> Side:
    folder = Path(name).resolve()
    run = RunFolder(folder).read()
    if run.get("limited"):
        raise UserError(f"{name}: a run with --limit, which is no evidence; run the suite again without it")
    if run.get("status") != "complete":
        raise UserError(f"{name}: not complete yet; run its suite again to resume it")
    return Side(folder.name, _title(run), ((folder, run),))


def _arm_side(name: str, folder: Path, arm: str) -> Side:
    record = next((one for one in _records(folder) if arm in _names(one)), None)
    if record is None:
        raise UserError(f"`{name}`: {folder} has no arm `{arm}`.{did_you_mean(arm, _arms(folder))}")
    columns = "|".join(re.escape(column) for column in record["columns"])
    wanted = [one for one in record["runs"] if re.fullmatch(rf"{re.escape(arm)}-({columns})-s\d+-[0-9a-f]+", one)]
    return planned_side(name, folder, arm, record["columns"], wanted)


def _records(folder: Path) -> list[Record]:
    """What was run there: the suite's own record, then those of ablations."""
    paths = [folder / "suite.json", folder / "ablation.json"]
    return [_record(path) for path in paths if path.is_file()]


def _record(path: Path) -> Record:
    try:
        record: Record = read_json(path)
        _names(record), record["columns"], record["runs"]  # what is looked up in it
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a record of a suite that was run; run the suite again") from None
    return record


def _names(record: Record) -> list[str]:
    return [arm["name"] for arm in record["arms"]]


def _arms(folder: Path) -> list[str]:
    return list(dict.fromkeys(name for record in _records(folder) for name in _names(record)))


def _title(run: Record) -> str:
    return str(run.get("arm_title") or run["arm"])
