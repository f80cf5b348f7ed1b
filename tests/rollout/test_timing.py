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


def spans_of(pool: Pool, policy: Any) -> dict[str, set[str]]:
    """Lane -> activities, of a few episodes; every span lies within the rollout, and a lane's do not overlap."""
    clock = SpanRecorder()
    waiting = iter([Episode(Start(task, 10_000), 0, ("clock", task)) for task in range(4)])
    list(roll_out(pool, Actor(policy, 1.0), lambda: next(waiting, None), keep=True, clock=clock))
    with clock.measure("end", "now"):
        pass
    end = clock.spans.pop().end
    lanes: dict[str, set[str]] = {}
    for lane in {span.process for span in clock.spans}:
        spans = sorted((span for span in clock.spans if span.process == lane), key=lambda span: span.start)
        assert all(0 <= span.start <= span.end <= end for span in spans)
        assert all(one.end <= other.start + 1e-6 for one, other in pairwise(spans))
        lanes[lane] = {span.activity for span in spans}
    return lanes


def test_workers_have_lanes_of_their_own(processes: Callable[..., ProcessPool], policy: Any) -> None:
    lanes = spans_of(processes(2), policy)
    assert lanes.pop(TRAINER) == {"policy", "transfer"}
    assert set(lanes) == {"worker 0", "worker 1"}
    assert all(activities == {"reset", "stepping", "rendering"} for activities in lanes.values())


def test_in_process_everything_is_in_the_trainers_lane(in_process: Callable[..., Pool], policy: Any) -> None:
    assert spans_of(in_process(2), policy) == {TRAINER: {"policy", "reset", "stepping", "rendering"}}


def test_the_actor_counts_its_own_seconds(in_process: Callable[..., Pool], policy: Any) -> None:
    actor = Actor(policy, 1.0)
    waiting = iter([Episode(Start(task, 10_000), 0, ("clock", task)) for task in range(4)])
    list(roll_out(in_process(2), actor, lambda: next(waiting, None), keep=False))
    assert actor.cpu_seconds > 0 and actor.seconds > 0
