"""Whatever is on disk is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench.results.store import RunFolder, append_lines, keep_lines, read_lines, write_json


def test_a_torn_last_line_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    append_lines(path, [{"a": 1}, {"a": 2}])
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert read_lines(path) == [{"a": 1}, {"a": 2}][: whole[:cut].count(b"\n")]


def test_keep_lines_drops_the_torn_one_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_lines(path, [{"iteration": n} for n in range(4)])
    with path.open("ab") as file:
        file.write(b'{"iteration": 4, "lo')
    keep_lines(path, lambda record: record["iteration"] < 3)
    assert [json.loads(line)["iteration"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"status": "complete"})
    with pytest.raises(TypeError):
        write_json(path, {"status": object()})
    assert RunFolder(tmp_path).read() == {"status": "complete"}


def test_update_merges(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.update({"a": 1, "b": 1})
    folder.update({"b": 2})
    assert folder.read() == {"a": 1, "b": 2}


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    reader = RunFolder(tmp_path / "run", writes=False)
    with reader.lock():
        reader.update({"a": 1})
        reader.add_metrics({"iteration": 1})
        reader.add_episodes([{"iteration": 1}])
    assert not reader.path.exists()


def test_two_processes_never_share_a_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(UserError, match="another process"), folder.lock():
        pass
    with folder.lock():
        pass
