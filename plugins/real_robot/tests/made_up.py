"""Trial sheets with made-up outcomes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vla_rl_bench_real_robot.sheet import Plan, PlannedTrial, Sheet
from vla_rl_bench_real_robot.sheet_file import create_sheet, open_sheet

TIME = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
OFT, OURS = "OpenVLA-OFT", "w/ ours"


def made_up_plan(**changes: Any) -> Plan:
    """Make a plan; `changes` replace its fields, and other models have no differences by default."""
    fields = {
        "tasks": ("Stack Bowls", "Pick Bottle"),
        "models": (OFT, OURS),
        "trials": 3,
        "delta": ((OURS, OFT),),
        "seed": 5,
        "time": TIME,
    }
    return Plan(**(fields | ({"delta": ()} if "models" in changes else {}) | changes))


def made_up_sheet(path: Path, **changes: Any) -> Path:
    create_sheet(path, made_up_plan(**changes))
    return path


def filled(sheet: Sheet, outcome: Callable[[PlannedTrial], bool | None]) -> Sheet:
    """Do the planned trials.  outcome: success; None leaves a trial out."""
    for planned in list(sheet.remaining()):
        success = outcome(planned)
        if success is not None:
            sheet.apply(sheet.trial(planned, success))
    return sheet


def fill_in(path: Path, *outcomes: bool) -> None:
    """Enter the next trials, on disk."""
    with open_sheet(path) as writer:
        for success in outcomes:
            writer.add(writer.sheet.trial(next(writer.sheet.remaining()), success))
