"""The record of a suite beside its outputs: the resolved suite, its runs, and how it differs from the suite file.

``suite.json`` is the record of ``run``, ``ablation.json`` that of ``ablate``.  Runs stay in the suite's folder;
outputs, with their record, are in it too, or in ``changed/NAME`` or ``earlier/NAME`` below it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vla_rl_bench.config.changes import Change
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import read_json, write_json

RECORDS = ("suite.json", "ablation.json")  # a folder that was only ablated has the second alone
CHANGED, EARLIER = "changed", "earlier"
_PLACES = (f"{CHANGED}/*", f"{EARLIER}/*", f"{CHANGED}/*/{EARLIER}/*")  # of outputs of other recipes


@dataclass(frozen=True)
class RecordFile:
    """The place of a suite's record, and the suite's changes against its file."""

    path: Path
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class SuiteRecord:
    """A resolved suite and its runs."""

    suite: Suite
    run_ids: tuple[str, ...]
    limited: bool  # ran with ``--limit``, and so without outputs
    folder: Path  # the suite's folder, which holds its runs
    changes: tuple[Change, ...] = ()  # against the suite file

    @property
    def as_json(self) -> dict[str, Any]:
        """Plain data; `changes` is in it only for changed recipes."""
        changes = {"changes": [asdict(change) for change in self.changes]} if self.changes else {}
        return as_dict(self.suite) | {"runs": list(self.run_ids), "limited": self.limited} | changes


def read_record(path: Path) -> SuiteRecord:
    """Read ``suite.json`` or ``ablation.json``; records of earlier versions have no changes."""
    try:
        data: dict[str, Any] = read_json(path)
        run_ids, limited = tuple(data.pop("runs")), bool(data.pop("limited"))
        changes = tuple(_read_change(change) for change in data.pop("changes", ()))
        folder = _below(path.parent, data.pop("suite_folder", "."))
        suite = Suite.model_validate_json(json.dumps(data))
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise UserError(f"{path}: not a record of a suite that this version ran; run the suite again") from None
    return SuiteRecord(suite, run_ids, limited, folder, changes)


def write_record(path: Path, record: SuiteRecord) -> None:
    """Write a record; outside the suite's folder it names that folder."""
    if path.parent == record.folder:
        write_json(path, record.as_json)
    else:
        write_json(path, record.as_json | {"suite_folder": os.path.relpath(record.folder, path.parent)})


def suite_folder(outputs: Path) -> Path:
    """Find the suite's folder, which holds the runs, of a folder of outputs."""
    paths = [outputs / name for name in RECORDS if (outputs / name).is_file()]
    return _below(outputs, read_json(paths[0]).get("suite_folder", ".")) if paths else outputs


def other_outputs(folder: Path) -> list[Path]:
    """List the folders of outputs of changed and earlier recipes below a suite's folder."""
    paths = (path for path in record_paths(folder) if path.parent != folder and not read_json(path).get("limited"))
    return list(dict.fromkeys(path.parent for path in paths))


def record_paths(folder: Path) -> list[Path]:
    """List the records in a suite's folder, then those of changed and earlier recipes below it."""
    below = [path for place in _PLACES for path in sorted(folder.glob(place))]
    return [path / name for path in (folder, *below) for name in RECORDS if (path / name).is_file()]


def _below(folder: Path, relative: str) -> Path:
    return Path(os.path.normpath(folder / relative))


def _read_change(data: Mapping[str, Any]) -> Change:
    return Change(data["key"], data["value"], data["before"], tuple(data["arms"]))
