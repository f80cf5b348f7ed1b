"""Sides of a comparison, as they are named on the command line: a run, or an arm of a suite that was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vla_rl_bench.analysis.tables.sources import Source, source_of
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record
from vla_rl_bench.records.frame import countable_runs, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import RECORDS, other_outputs, read_record


@dataclass(frozen=True, eq=False)
class Side:
    """One arm's complete runs."""

    name: str
    title: str
    runs: tuple[tuple[Path, Record], ...]
    missing: tuple[str, ...] = ()  # ids that its suite names and that are not there, or not complete
    suite: Suite | None = None  # whose evaluations are compared; None: those that the runs recorded first

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(run["column"] for _, run in self.runs))


def find_side(name: str, out: Path) -> Side:
    """Find ``runs/quickstart/runs/sft-object-s0-0123456789``, ``quickstart:sft`` or ``runs/quickstart:sft``."""
    if (Path(name) / "run.json").is_file():
        return _run_side(name)
    suite, _, arm = name.rpartition(":")
    folders = (Path(suite or name), out / (suite or name))
    folder = next((folder for folder in folders if _sources(folder)), None)
    if folder is None:
        changed = [f"  {path}:{arm if suite else 'ARM'}" for place in folders for path in other_outputs(place)]
        if changed:
            raise UserError("\n".join([f"`{name}`: only run with changed values; name one of these", *changed]))
        known = sorted(path.parent.name for path in out.glob("*/suite.json"))
        near = did_you_mean(suite or name, known)
        raise UserError(f"`{name}` is no run's folder and no SUITE:ARM of a suite under {out}/.{near}")
    sources = _sources(folder)
    if not suite:
        refuse_whole_suite(name, _arms(sources))
    source = next((source for source in sources if arm in _arms([source])), None)
    if source is None:
        raise UserError(f"`{name}`: {folder} has no arm `{arm}`.{did_you_mean(arm, _arms(sources))}")
    return arm_side(name, source, arm)


def arm_side(name: str, source: Source, arm: str) -> Side:
    """Read an arm's complete runs, in the columns' order."""
    suite, run_ids = source.suite, source.run_ids or ()
    runs = [(path, run) for path, run in countable_runs(run_folders(source.folder), run_ids) if run["arm"] == arm]
    if not runs:
        raise UserError(f"`{name}`: no complete run in {source.folder}; run the suite again, without --limit")
    runs.sort(key=lambda item: (suite.columns.index(item[1]["column"]), item[1]["seed"]))
    complete = {run["id"] for _, run in runs}
    begins = tuple(f"{arm}-{column}-s{seed}-" for column in suite.columns for seed in suite.seeds)
    missing = tuple(run_id for run_id in run_ids if run_id.startswith(begins) and run_id not in complete)
    title = next(config.title or arm for config in suite.arms if config.name == arm)
    return Side(name, title, tuple(runs), missing, suite)


def refuse_whole_suite(name: str, arms: Sequence[str]) -> NoReturn:
    """Raise a `UserError` that lists the arms of a suite."""
    each = " or ".join(f"`{name}:{one}`" for one in arms)
    raise UserError(f"`{name}` is a suite; one side is one arm of it. Write {each}.")


def _run_side(name: str) -> Side:
    folder = Path(name).resolve()
    run = RunFolder(folder).read()
    if run.get("limited"):
        raise UserError(f"{name}: a run with --limit, which is no evidence; run the suite again without it")
    if run.get("status") != "complete":
        raise UserError(f"{name}: not complete yet; run its suite again to resume it")
    return Side(folder.name, str(run.get("arm_title") or run["arm"]), ((folder, run),))


def _sources(folder: Path) -> list[Source]:
    """Read the suite's own record, then that of an ablation."""
    return [source_of(read_record(folder / name), folder) for name in RECORDS if (folder / name).is_file()]


def _arms(sources: Sequence[Source]) -> list[str]:
    return list(dict.fromkeys(arm.name for source in sources for arm in source.suite.arms))
