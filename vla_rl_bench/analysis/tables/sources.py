"""What a user names on the command line -> the suite and the runs that are meant."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from vla_rl_bench.analysis.tables.build import Place
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import read_json
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench.records.store import RunFolder


@dataclass(frozen=True)
class Source:
    """A suite's folder.  run_ids: the runs to read."""

    folder: Path
    suite: Suite
    run_ids: Collection[str]


def find_source(name: str, out: Path) -> Source:
    """A suite's folder, a record in it (``ablation.json``), one run's folder, or the name of a suite under `out`."""
    if Path(name).suffix == ".json" and Path(name).is_file():
        return suite_source(Path(name).parent, Path(name).name)
    for folder in (Path(name), out / name):
        if (folder / "suite.json").is_file():
            return suite_source(folder)
        if (folder / "run.json").is_file():
            return run_source(folder)
    known = [folder.name for folder in suite_folders(out)]
    raise UserError(
        f"`{name}` is no suite file, no folder of results, and no suite under {out}/.{did_you_mean(name, known)}"
    )


def suite_folders(out: Path) -> list[Path]:
    """The folders of the suites that were run under `out`, by name."""
    return sorted(path.parent for path in out.glob("*/suite.json"))


def limited_runs(folder: Path, suite: Suite) -> set[Place]:
    """What the suite's folder holds only as far as ``--limit`` let it go."""
    records = (RunFolder(run).read() for run in run_folders(folder))
    named = {(arm.name, column, seed) for arm in suite.arms for column in suite.columns for seed in suite.seeds}
    return named & {(record["arm"], record["column"], record["seed"]) for record in records if record.get("limited")}


def suite_source(folder: Path, record_name: str = "suite.json") -> Source:
    """The suite as it was last run there."""
    path = folder / record_name
    try:
        record = read_json(path)
        run_ids, limited = record.pop("runs"), record.pop("limited")
        suite = Suite.model_validate_json(json.dumps(record))
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise UserError(f"{path}: not a record of a suite that this version ran; run the suite again") from None
    if limited:
        raise UserError(f"{folder}: last run with --limit, which stays out of tables; run the suite again without it")
    return Source(folder, suite, run_ids)


def run_source(folder: Path) -> Source:
    """One run, as a table of one cell."""
    whole = suite_source(folder.resolve().parents[1])
    run = RunFolder(folder).read()
    arms = tuple(arm for arm in whole.suite.arms if arm.name == run["arm"])
    table = whole.suite.table.model_copy(update={"delta": (), "references": ()})
    changes = {"arms": arms, "columns": (run["column"],), "seeds": (run["seed"],), "table": table}
    return Source(whole.folder, whole.suite.model_copy(update=changes), [run["id"]])
