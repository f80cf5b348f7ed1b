"""Outputs of an earlier recipe, kept when a suite file was edited."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from vla_rl_bench.config.changes import differences, folder_name
from vla_rl_bench.config.schema import Suite, sampling_name
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_bytes
from vla_rl_bench.records.suite_record import EARLIER, SuiteRecord, read_record, write_record
from vla_rl_bench.suite.plan import digest, evaluations

_ABLATION = "ablation"  # begins the names of what `ablate` writes


def update_record(path: Path, new: SuiteRecord) -> Path | None:
    """Write a suite's record -> the folder to which outputs of another recipe were moved, if there were any.

    A recipe that has grown, by seeds, arms, columns or evaluations, is the same one: its outputs are written again.
    Limited runs have no outputs: their record replaces no other.
    """
    kept = None
    if path.is_file():
        try:
            old = read_record(path)
        except UserError:  # of another version
            old = None
        if new.limited and not (old and old.limited):
            return None
        if old is None:
            kept = _keep_outputs(path, f"record-{digest(path.read_text())}")
            write_bytes(kept / path.name, path.read_bytes())
        elif not old.limited and not _grown(old, new):
            changes = differences(new.suite, old.suite)
            kept = _keep_outputs(path, folder_name(changes) if changes else f"runs-{digest(list(old.run_ids))}")
            further = [change for change in new.changes if change.key not in {change.key for change in changes}]
            write_record(kept / path.name, replace(old, changes=(*further, *changes)))
    write_record(path, new)
    return kept


def _grown(old: SuiteRecord, new: SuiteRecord) -> bool:
    """Say if the new recipe has all runs and evaluations of the old one."""
    return set(old.run_ids) <= set(new.run_ids) and _evaluation_keys(old.suite) <= _evaluation_keys(new.suite)


def _evaluation_keys(suite: Suite) -> set[tuple[str, str, str]]:
    return {
        (column, planned.name, planned.key(sampling, None))
        for column in suite.columns
        for planned in evaluations(suite, column)
        for sampling in map(sampling_name, planned.config.sampling)
    }


def _keep_outputs(record: Path, name: str) -> Path:
    """Move what was written beside a record, and nothing that the other command wrote, to ``earlier/NAME``."""
    folder, of_ablation = record.parent, record.stem == _ABLATION
    targets = (folder / EARLIER / (f"{name}-{number}" if number > 1 else name) for number in count(1))
    target = next(target for target in targets if not (target / record.name).exists())
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        written = path.is_file() or path.name in ("tables", "ablations")
        if written and path != record and path.name.startswith(_ABLATION) == of_ablation:
            path.replace(target / path.name)
    return target
