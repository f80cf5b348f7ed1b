"""Files are whole whenever a process is killed, and a lock ends with its process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vla_rl_bench import files
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import (
    append_json_lines,
    exclusive_lock,
    filter_json_lines,
    read_json,
    read_json_lines,
    write_json,
)


def test_read_json_lines_skips_a_truncated_last_line(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    append_json_lines(path, [{"a": 1}, {"a": 2}])
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert read_json_lines(path) == [{"a": 1}, {"a": 2}][: content[:size].count(b"\n")]


def test_write_json_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "run.json"
    write_json(path, {"status": "running"})
    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"status": "complete"})
    assert read_json(path) == {"status": "running"}
    assert list(tmp_path.iterdir()) == [path]


def test_filter_json_lines_drops_a_truncated_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_json_lines(path, [{"iteration": n} for n in range(4)])
    with path.open("ab") as file:
        file.write(b'{"iteration": 4, "lo')
    filter_json_lines(path, lambda record: record["iteration"] < 3)
    assert [json.loads(line)["iteration"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_write_json_keeps_the_old_file_if_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"status": "complete"})
    with pytest.raises(TypeError):
        write_json(path, {"status": object()})
    assert read_json(path) == {"status": "complete"}


HOLD = """
import sys
from pathlib import Path
from vla_rl_bench.files import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "busy"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_exclusive_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "sheet.jsonl"
    path.write_text("content")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another process"), exclusive_lock(path, "another process"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with exclusive_lock(path, "another process"):
        pass
    assert path.read_text() == "content"


WAIT = """
import sys
from pathlib import Path
from vla_rl_bench.files import exclusive_lock
print("ready", flush=True)
with exclusive_lock(Path(sys.argv[1])):
    print(Path(sys.argv[2]).exists())
"""


def test_exclusive_lock_waits_without_a_message(tmp_path: Path) -> None:
    path, done = tmp_path / ".lock", tmp_path / "done"
    with exclusive_lock(path):
        waiting = subprocess.Popen(
            [sys.executable, "-c", WAIT, str(path), str(done)], stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None and waiting.stdout.readline() == "ready\n"
        time.sleep(0.2)  # a process that does not wait is at the end by now
        done.touch()
    assert waiting.communicate()[0] == "True\n"
