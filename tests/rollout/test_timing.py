"""Spans share one clock; CPU seconds are shared out by wall seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, ProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.rollout.timing import TRAINER, ActivityTimer, SpanRecorder
from vla_rl_bench.types import Start


class Busy:
    """Three parts rendering, one part stepping."""

    def __init__(self) -> None:
        self.seconds = {"stepping": 0.0, "rendering": 0.0, "reset": 0.0}

    def work(self) -> str:
        began = time.process_time()
        while time.process_time() - began < 0.02:
            pass
        self.seconds = self.seconds | {"stepping": 1.0, "rendering": 3.0}
        return "done"


def test_cpu_seconds_are_shared_out_by_wall_seconds() -> None:
    busy = Busy()
    meter = ActivityTimer(busy)
    result, spans = meter.call(busy.work)
    assert result == "done"
    assert meter.seconds["cpu:rendering"] == pytest.approx(3 * meter.seconds["cpu:stepping"])
    assert meter.seconds["cpu:stepping"] + meter.seconds["cpu:rendering"] >= 0.02  # what `work` burnt
    assert "cpu:reset" not in meter.seconds
    assert [name for name, _, _ in spans] == ["stepping", "rendering"]
    assert spans[0][2] == spans[1][1]


def test_a_clock_that_is_off_records_nothing() -> None:
    clock = SpanRecorder(on=False)
    with clock.measure(TRAINER, "policy"):
        pass
    assert not clock.spans


def activities(pool: Pool, policy: Any) -> dict[int, set[str]]:
    """Play a few episodes -> activities by process; spans of a process must not overlap."""
    clock = SpanRecorder()
    waiting = iter([Episode(Start(task, 10_000), 0, ("clock", task)) for task in range(4)])
    list(roll_out(pool, Actor(policy, 1.0), lambda: next(waiting, None), keep=True, clock=clock))
    with clock.measure(9, "now"):
        pass
    end = clock.spans.pop().end
    by_process: dict[int, set[str]] = {}
    for process in {span.process for span in clock.spans}:
        spans = sorted((span for span in clock.spans if span.process == process), key=lambda span: span.start)
        assert all(0 <= span.start <= span.end <= end for span in spans)
        assert all(one.end <= other.start + 1e-6 for one, other in pairwise(spans))
        by_process[process] = {span.activity for span in spans}
    return by_process


def test_spans_of_workers_have_their_process(processes: Callable[..., ProcessPool], policy: Any) -> None:
    by_process = activities(processes(2), policy)
    assert by_process.pop(TRAINER) == {"policy", "transfer"}
    assert set(by_process) == {1, 2}
    assert all(names == {"reset", "stepping", "rendering"} for names in by_process.values())


def test_spans_in_process_are_the_trainers(in_process: Callable[..., Pool], policy: Any) -> None:
    assert activities(in_process(2), policy) == {TRAINER: {"policy", "reset", "stepping", "rendering"}}


def test_the_actor_counts_its_own_seconds(in_process: Callable[..., Pool], policy: Any) -> None:
    actor = Actor(policy, 1.0)
    waiting = iter([Episode(Start(task, 10_000), 0, ("clock", task)) for task in range(4)])
    list(roll_out(in_process(2), actor, lambda: next(waiting, None), keep=False))
    assert actor.cpu_seconds > 0 and actor.seconds > 0
