"""Interleaved measurement of two sides that do the same work, in wall seconds and CPU seconds of all processes.

pytest-benchmark times one function and counts wall seconds only: it times our side, and `Pair` measures the baseline in
the setup of each round.  Other load on the machine then slows both sides of a round alike.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Seconds:
    """CPU seconds of this process and all its descendants, and wall seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Pair:
    """Two implementations of the same work; each call does all of it."""

    ours: Callable[[], object]
    baseline: Callable[[], object]

    def run(self, benchmark: Any, rounds: int) -> None:
        """Measure both sides round by round: baseline, ours, baseline, ours.

        Args:
            benchmark: The fixture of pytest-benchmark; its `extra_info` gets the seconds of every round and the ratios,
                which are above 1 where our side is cheaper.
            rounds: Number of rounds.
        """
        ours: list[Seconds] = []
        baseline: list[Seconds] = []
        benchmark.pedantic(
            lambda: ours.append(measure(self.ours)),
            setup=lambda: baseline.append(measure(self.baseline)),
            rounds=rounds,
        )
        pairs = list(zip(ours, baseline, strict=True))
        benchmark.extra_info |= {
            "ours_cpu_seconds": [seconds.cpu for seconds in ours],
            "ours_wall_seconds": [seconds.wall for seconds in ours],
            "baseline_cpu_seconds": [seconds.cpu for seconds in baseline],
            "baseline_wall_seconds": [seconds.wall for seconds in baseline],
            "cpu_ratio": ratio_text([theirs.cpu / our.cpu for our, theirs in pairs]),
            "wall_ratio": ratio_text([theirs.wall / our.wall for our, theirs in pairs]),
        }


def measure(work: Callable[[], object]) -> Seconds:
    """Call `work` once and measure it."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Seconds(cpu_seconds() - cpu, time.perf_counter() - wall)


def ratio_text(ratios: list[float] | tuple[float, ...]) -> str:
    """Median of the rounds' ratios with their range: ``4.5x (3.1 to 4.6)``; without the range for a single round."""
    spread = f" ({_short(min(ratios))} to {_short(max(ratios))})" if len(ratios) > 1 else ""
    return f"{_short(statistics.median(ratios))}x{spread}"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 99.5 else f"{ratio:.1f}" if ratio >= 9.95 else f"{ratio:.2f}"


def cpu_seconds() -> float:
    """CPU seconds of this process, its living descendants (in clock ticks of 10 ms) and its children that ended.

    Without ``/proc``, living children are not counted.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(_process_cpu_seconds(process) for process in _descendants(os.getpid()))
    return time.process_time() + ended.ru_utime + ended.ru_stime + living


def _descendants(process: int) -> Iterator[int]:
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in listing.read_text().split()]
        except OSError:  # the thread has ended meanwhile
            continue
        for child in children:
            yield child
            yield from _descendants(child)


def _process_cpu_seconds(process: int) -> float:
    """User and system time, ended children included: fields 14 to 17 of ``/proc/PID/stat``, see proc(5)."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(word) for word in after_name[11:15]) / os.sysconf("SC_CLK_TCK")
