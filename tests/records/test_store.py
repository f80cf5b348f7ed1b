"""The folder of a run: what it merges, who writes it, and its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench.records.store import RunFolder


def test_update_merges(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.update({"a": 1, "b": 1})
    folder.update({"b": 2})
    assert folder.read() == {"a": 1, "b": 2}


def test_run_folder_writes_nothing_if_it_does_not_write(tmp_path: Path) -> None:
    reader = RunFolder(tmp_path / "run", writes=False)
    with reader.lock():
        reader.update({"a": 1})
        reader.add_metrics({"iteration": 1})
        reader.add_episodes([{"iteration": 1}])
    assert not reader.path.exists()


def test_lock_raises_if_another_process_holds_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(UserError, match="another process"), folder.lock():
        pass
    with folder.lock():
        pass
