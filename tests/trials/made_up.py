"""Trial sheets with made-up outcomes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vla_rl_bench.trials.events import Plan
from vla_rl_bench.trials.keeping import create, opened
from vla_rl_bench.trials.sheet import Sheet, Slot

TIME = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
OFT, OURS = "OpenVLA-OFT", "w/ ours"


def made_up_plan(**changes: Any) -> Plan:
    """`changes` replace the fields; other models have no differences unless they are given."""
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
    create(path, made_up_plan(**changes))
    return path


def filled(sheet: Sheet, outcome: Callable[[Slot], bool | None]) -> Sheet:
    """outcome: of a slot; None leaves it open."""
    for slot in list(sheet.open_slots()):
        success = outcome(slot)
        if success is not None:
            sheet.apply(sheet.trial(slot, success))
    return sheet


def fill_in(path: Path, *outcomes: bool) -> None:
    """The next slots, on disk."""
    with opened(path) as book:
        for success in outcomes:
            book.add(book.sheet.trial(next(book.sheet.open_slots()), success))
