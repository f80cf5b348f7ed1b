"""Bytes that torch's CPU allocator handed out at once, temporaries of the operators included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile


def peak_bytes(work: Callable[[], object]) -> int:
    """The most that was alive at one time during the call, above what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        kept = work()  # lives until the recording ends: what is returned counts
    del kept
    alive = most = 0
    for change in _changes(recorded):
        alive += change
        most = max(most, alive)
    return most


def _changes(recorded: Any) -> list[int]:
    """Bytes handed out (above 0) and given back, in the order of time."""
    events = recorded.profiler.kineto_results.events()
    memory = [one for one in events if one.name() == "[memory]"]
    return [int(one.nbytes()) for one in sorted(memory, key=lambda one: one.start_ns())]
