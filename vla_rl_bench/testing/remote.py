"""An environment in a worker process, as in rollouts; and readings of that process from Linux's /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.rollout.pool import ProcessPool
from vla_rl_bench.testing.equality import copy_observation, copy_result
from vla_rl_bench.types import ChunkResult, Demonstration, FloatArray, ImageArray, Observation, Start

PROC = Path("/proc")


class RemoteSlots:
    """A `BatchedEnvironment` whose slots live in one worker process, reached as a rollout reaches it."""

    def __init__(self, entry: EnvironmentEntry, suite: str, options: Any, slots: int, python: str | None) -> None:
        self._pool = ProcessPool(entry, suite, options, 1, python, environments=slots)
        self.process = self._pool._workers[0].process.pid
        self.slots, self.contract = slots, self._pool.contract

    @property
    def seconds(self) -> dict[str, float]:
        return self._pool.seconds

    def reset_slots(self, slots: Sequence[int], starts: Sequence[Start]) -> Observation:
        observations = []
        for slot, start in zip(slots, starts, strict=True):
            self._pool.reset(slot, start)
            [result] = self._pool.wait()
            assert result.observation is not None, "a reset has an observation"
            observations.append(copy_observation(result.observation))
        return Observation.stack(observations)

    def step_slots(self, slots: Sequence[int], actions: FloatArray) -> list[ChunkResult]:
        results = []
        for slot, chunk in zip(slots, actions, strict=True):
            self._pool.step(slot, chunk)
            [answer] = self._pool.wait()
            assert answer.result is not None
            results.append(copy_result(answer.result))
        return results

    def demonstrate_many(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        return self._pool.demonstrate(starts, seed)

    def film_slot(self, slot: int) -> ImageArray:
        return self._pool.film(slot)

    def public_methods(self) -> set[str]:
        """Return the names of the methods that the environment's class adds to `EnvironmentBase`."""
        worker = self._pool._workers[0]
        worker.request("public_methods", 0, None)
        names: set[str] = worker.receive().value
        return names

    def close(self) -> None:
        self._pool.close()


@contextmanager
def worker(entry: EnvironmentEntry, suite: str, options: Any, python: str | None) -> Iterator[RemoteSlots]:
    """Open one slot in a worker process, and close it after the context."""
    slots = RemoteSlots(entry, suite, options, 1, python)
    try:
        yield slots
    finally:
        slots.close()


# -- processes (Linux)


def resident(process: int) -> float:
    """Return the megabytes of memory that a process has in RAM."""
    pages = int((PROC / str(process) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descendants(process: int) -> list[int]:
    """List the child processes of a running process and their children, nearest first."""
    children = _children(process)
    return [*children, *(descendant for child in children for descendant in descendants(child))]


def alive(processes: Sequence[int], seconds: float) -> list[int]:
    """Wait for processes to end; return those that still run after so many seconds.  Zombies have ended."""
    deadline = time.monotonic() + seconds
    while (
        running := [process for process in processes if _state(process) not in ("", "Z", "X")]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def open_files() -> int:
    """Count the file descriptors of this process."""
    return len(list((PROC / "self" / "fd").iterdir()))


def named_memory(processes: Sequence[int]) -> set[str]:
    """List files under /dev/shm that processes have mapped; having a name, they may outlive the processes."""
    lines = (line for process in processes for line in (PROC / str(process) / "maps").read_text().splitlines())
    return {line[line.index("/dev/shm/") :] for line in lines if "/dev/shm/" in line and not line.endswith("(deleted)")}


def _children(process: int) -> list[int]:
    candidates = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    return [candidate for candidate in candidates if _stat(candidate)[1:2] == [str(process)]]


def _state(process: int) -> str:
    return (_stat(process) or [""])[0]


def _stat(process: int) -> list[str]:
    """Read state, parent and so on; empty if there is no such process."""
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
