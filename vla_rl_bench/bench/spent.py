"""Seconds spent, by the clock on the wall and by the processors, this process's children included."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spent:
    """cpu: CPU seconds of this process and all its descendants.  wall: seconds."""

    cpu: float
    wall: float


def measure(work: Callable[[], object]) -> Spent:
    """Call it once."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Spent(cpu_seconds() - cpu, time.perf_counter() - wall)


def cpu_seconds() -> float:
    """Of this process, of its living descendants (in steps of a clock tick, 10 ms) and of its children that ended.

    Without ``/proc`` living children are not counted.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(_of_process(child) for child in _descendants(os.getpid()))
    return time.process_time() + ended.ru_utime + ended.ru_stime + living


def _descendants(process: int) -> Iterator[int]:
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in listing.read_text().split()]
        except OSError:  # the thread ended meanwhile
            continue
        for child in children:
            yield child
            yield from _descendants(child)


def _of_process(process: int) -> float:
    """User and system time, its own ended children included (fields 14 to 17 of proc(5), ``/proc/PID/stat``)."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(word) for word in after_name[11:15]) / os.sysconf("SC_CLK_TCK")
