"""The folder of a run: ``run.json``, ``episodes.jsonl``, ``metrics.jsonl``, checkpoints.

Files stay whole if the process is killed.  JSON files are replaced atomically; lines of a JSON-lines file beyond those
that are recorded in ``run.json`` or a checkpoint do not count, and a run that is resumed deletes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vla_rl_bench.files import (
    Record,
    append_json_lines,
    exclusive_lock,
    filter_json_lines,
    read_json,
    read_json_lines,
    write_json,
)


class RunFolder:
    """The folder of one run.

    Args:
        path: The folder.
        writes: False for the processes of a run that do not write; every method that writes then does nothing.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes

    @property
    def record_path(self) -> Path:
        return self.path / "run.json"

    @property
    def episodes_path(self) -> Path:
        return self.path / "episodes.jsonl"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def policy_path(self) -> Path:
        """The trained policy; the file exists if, and only if, training is complete."""
        return self.path / "policy.safetensors"

    def checkpoint_path(self, stage: str) -> Path:
        return self.path / f"{stage}.checkpoint.pt"

    def read(self) -> Record:
        """Read ``run.json``; empty if the file does not exist."""
        return read_json(self.record_path) if self.record_path.exists() else {}

    def update(self, changes: Mapping[str, Any]) -> None:
        if self.writes:
            write_json(self.record_path, self.read() | dict(changes))

    def metrics(self) -> list[Record]:
        """Read the lines of ``metrics.jsonl``."""
        return read_json_lines(self.metrics_path)

    def add_metrics(self, record: Record) -> None:
        if self.writes:
            append_json_lines(self.metrics_path, [record])

    def add_episodes(self, records: list[Record]) -> None:
        if self.writes:
            append_json_lines(self.episodes_path, records)

    def keep_metrics(self, keep: Callable[[Record], bool]) -> None:
        if self.writes:
            filter_json_lines(self.metrics_path, keep)

    def keep_episodes(self, keep: Callable[[Record], bool]) -> None:
        if self.writes:
            filter_json_lines(self.episodes_path, keep)

    def cut_curve(self, done: int) -> None:
        """Delete the points of a curve beyond the checkpoint at `done`, or all of them if `done` is 0."""
        self.keep_episodes(lambda r: r["iteration"] is None or (done > 0 and r["iteration"] <= done))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from working on the run; the lock ends with the process, however it ends.

        Temporary files of a killed process are deleted.  A process that does not write takes no lock.
        """
        if not self.writes:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        busy = f"{self.path}: another process is working on this run; wait for it or end it"
        with exclusive_lock(self.path / ".lock", busy):
            for temporary in self.path.glob(".*.tmp"):
                temporary.unlink()
            yield
