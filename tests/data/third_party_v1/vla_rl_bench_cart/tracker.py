"""A line of text for every event of a run, in the run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench import events
from vla_rl_bench.hookspecs import hookimpl

_FOLDERS: dict[str, Path] = {}  # run id -> its folder


@dataclass(frozen=True)
class Diary:
    """file: the name of the file."""

    file: str = "diary.txt"

    def _write(self, run: str, line: str) -> None:
        with (_FOLDERS[run] / self.file).open("a") as file:
            file.write(line + "\n")

    @hookimpl
    def on_run_start(self, event: events.RunStart) -> None:
        _FOLDERS[event.run] = event.folder
        self._write(event.run, f"start with {len(event.config)} keys")

    @hookimpl
    def on_rollout_end(self, event: events.RolloutEnd) -> None:
        self._write(
            event.run,
            f"rollouts {event.iteration}: {event.kept} of {event.drawn} groups kept, "
            f"{event.successes} of {event.trajectories} succeeded",
        )

    @hookimpl
    def on_update_end(self, event: events.UpdateEnd) -> None:
        self._write(event.run, f"update {event.iteration}: skipped={event.skipped} metrics={len(event.metrics)}")

    @hookimpl
    def on_eval_end(self, event: events.EvaluationEnd) -> None:
        self._write(event.run, f"{event.evaluation} {event.sampling}: {event.successes} of {event.episodes}")

    @hookimpl
    def on_checkpoint(self, event: events.CheckpointSaved) -> None:
        self._write(event.run, f"checkpoint {event.iteration}: {event.path.name}")

    @hookimpl
    def on_run_end(self, event: events.RunEnd) -> None:
        self._write(event.run, f"end: {event.status}")
