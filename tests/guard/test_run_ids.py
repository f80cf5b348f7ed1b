"""Every run of every committed suite has the id that is recorded in run_ids.json."""

from __future__ import annotations

import pytest

from tests.guard.run_ids import planned, recorded
from vla_rl_bench.catalog import discover

UNCHANGEABLE = (
    "Run ids of committed suite files changed. An id names a folder under runs/ and results/ and decides whether a run "
    "is resumed or reused: with another id, finished runs of every user would be trained again. Do not edit "
    "run_ids.json; leave a new option out of the id while it has its default (see vla_rl_bench/suite/plan.py)."
)
ADD = "Suite files without recorded run ids. Add them: python -m tests.guard.run_ids"
REMOVED = "Suite files with recorded run ids are missing. If that is meant, remove their entries from run_ids.json"


@pytest.fixture(scope="module")
def ids() -> dict[str, list[str]]:
    return planned(discover())


def test_run_ids_of_suite_files_are_unchanged(ids: dict[str, list[str]]) -> None:
    changed = {
        name: {"recorded": runs, "now": ids[name]} for name, runs in recorded().items() if ids.get(name, runs) != runs
    }
    assert not changed, UNCHANGEABLE


def test_run_ids_are_recorded_for_every_suite_file(ids: dict[str, list[str]]) -> None:
    assert not sorted(ids.keys() - recorded().keys()), ADD
    assert not sorted(recorded().keys() - ids.keys()), REMOVED
