"""A run's first successes with a behaviour that no demonstration showed, kept so that they can be played again."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vla_rl_bench.files import write_bytes
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.types import FloatArray, Start

KEPT = 3  # of each behaviour


@dataclass(frozen=True)
class First:
    """A success.  iteration, group, rollout: which trajectory it was.  actions: float32 ``[steps, D]``, as executed."""

    behaviour: str
    iteration: int
    group: int
    rollout: int
    start: Start
    actions: FloatArray

    @property
    def file_name(self) -> str:
        return f"{file_stem(self.behaviour)}-i{self.iteration:05d}-g{self.group:04d}-r{self.rollout:03d}.npz"


def file_stem(behaviour: str) -> str:
    """A behaviour as part of a file's name."""
    return re.sub(r"[^\w+]", "_", behaviour)


def counts(folder: RunFolder) -> Counter[str]:
    """File stems of behaviours -> how many are kept."""
    return Counter(path.name.rsplit("-", 3)[0] for path in _paths(folder))


def write(folder: RunFolder, first: First) -> None:
    if not folder.writes:
        return
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        behaviour=np.array(first.behaviour),
        place=np.array([first.iteration, first.group, first.rollout, first.start.task, first.start.index]),
        actions=first.actions,
    )
    write_bytes(folder.firsts_path / first.file_name, buffer.getvalue())


def read(folder: RunFolder) -> list[First]:
    """In the order in which they came."""
    found = []
    for path in _paths(folder):
        with np.load(path) as archive:
            iteration, group, rollout, task, index = archive["place"].tolist()
            behaviour = str(archive["behaviour"])
            found.append(First(behaviour, iteration, group, rollout, Start(task, index), archive["actions"]))
    return sorted(found, key=lambda one: (one.iteration, one.group, one.rollout))


def cut_to(folder: RunFolder, iteration: int) -> None:
    """Forget those of later iterations, and what a killed writer left half-written."""
    if not folder.writes:
        return
    later = [path for path in _paths(folder) if int(path.name.rsplit("-", 3)[1][1:]) > iteration]
    for path in (*later, *folder.firsts_path.glob(".*.tmp")):
        path.unlink()


def _paths(folder: RunFolder) -> list[Path]:
    return sorted(folder.firsts_path.glob("[!.]*.npz"))
