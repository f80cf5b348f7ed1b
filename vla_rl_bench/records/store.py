"""A run is a folder: ``run.json``, ``episodes.jsonl``, ``metrics.jsonl``, checkpoints.  Whatever is there is whole.

JSON files are replaced atomically; of a JSON-lines file only the lines up to what ``run.json`` or a checkpoint vouches
for count, and a resuming run cuts off the rest.
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
    """The folder of one run.  writes: whether this process is the one that writes; of several, one does."""

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
        """The trained policy; there when, and only when, training is complete."""
        return self.path / "policy.safetensors"

    def checkpoint_path(self, stage: str) -> Path:
        return self.path / f"{stage}.checkpoint.pt"

    def read(self) -> Record:
        """``run.json``, or an empty record."""
        return read_json(self.record_path) if self.record_path.exists() else {}

    def worker_python(self) -> str | None:
        """The interpreter of the environment workers, as the record of the run's suite names it."""
        for name in ("suite.json", "ablation.json"):
            suite = self.path.parents[1] / name
            if suite.is_file():
                python: str | None = read_json(suite)["environment"].get("python")
                return python
        return None

    def update(self, changes: Mapping[str, Any]) -> None:
        if self.writes:
            write_json(self.record_path, self.read() | dict(changes))

    def metrics(self) -> list[Record]:
        """The lines of ``metrics.jsonl``."""
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
        """Forget the points of a curve beyond the checkpoint at `done`, and all of them where there is none."""
        self.keep_episodes(lambda r: r["iteration"] is None or (done > 0 and r["iteration"] <= done))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process works on a run; the lock goes with the process, however it ends.

        What a killed writer left half-written under a temporary name is cleared away.  Who does not write takes no
        lock.
        """
        if not self.writes:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        busy = f"{self.path}: another process is working on this run; wait for it or end it"
        with exclusive_lock(self.path / ".lock", busy):
            for left_over in self.path.glob(".*.tmp"):
                left_over.unlink()
            yield
