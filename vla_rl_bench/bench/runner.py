"""Runs rows of the benchmark, one after the other, and keeps what it has as it goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vla_rl_bench import entries
from vla_rl_bench.bench import report
from vla_rl_bench.bench.rows import Row, Skipped
from vla_rl_bench.bench.setting import Setting
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.errors import UserError

_HERE = "vla_rl_bench.bench.workloads"
WORKLOADS: Mapping[str, str] = {
    "A": f"{_HERE}.episode:rows",
    "B": f"{_HERE}.rollout:rows",
    "C": f"{_HERE}.update:rows",
    "D": f"{_HERE}.update:after_rollout",
    "E": f"{_HERE}.memory:trajectories",
    "F": f"{_HERE}.memory:logits",
    "G": f"{_HERE}.iteration:rows",
    "H": f"{_HERE}.throughput:rows",
}


def letters(only: str | None) -> list[str]:
    """``"C,D"`` -> those; None: all."""
    if only is None:
        return list(WORKLOADS)
    asked = [word.strip().upper() for word in only.split(",")]
    unknown = [one for one in asked if one not in WORKLOADS]
    if unknown:
        raise UserError(
            f"--only: unknown row `{unknown[0]}`. Write letters of {', '.join(WORKLOADS)}, as in --only C,D"
        )
    return [one for one in WORKLOADS if one in asked]


def run(
    asked: Sequence[str], catalog: Catalog, out: Path, *, quick: bool, note_progress: Callable[[str], None]
) -> list[Row | Skipped]:
    """-> the rows asked for.  They join those that `out` holds already, if they were run in the same form."""
    import torch

    before, threads = os.getloadavg(), torch.get_num_threads()
    torch.set_num_threads(1)  # CPU seconds of spinning threads would count
    known = [row for row in _known(out, quick) if row.letter not in asked]
    found: list[Row | Skipped] = []
    try:
        for letter in asked:
            for row in entries.load(WORKLOADS[letter])(Setting(catalog, quick, note_progress)):
                found.append(row)
                everything = sorted([*known, *found], key=lambda one: one.letter)
                report.save(out, everything, report.conditions(before, quick=quick))
    finally:
        torch.set_num_threads(threads)
    return found


def _known(out: Path, quick: bool) -> list[Row | Skipped]:
    """Rows of an earlier call."""
    if not (out / "bench.json").is_file():
        return []
    rows, conditions = report.read(out)
    return rows if conditions["quick"] == quick else []
