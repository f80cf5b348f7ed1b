"""The Chrome trace holds what the recorder measured: processes, nesting and total times."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.catalog import discover
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import ProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.rollout.timing import TRAINER, Span, SpanRecorder
from vla_rl_bench.suite import trace
from vla_rl_bench.types import Start


def saved(path: Path, spans: Sequence[Span]) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """Write a trace and read it back -> names of processes by pid, complete events."""
    trace.save(path, spans)
    events = json.loads(path.read_text())["traceEvents"]
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    return names, [event for event in events if event["ph"] == "X"]


def test_save_writes_a_process_per_worker_with_the_recorded_totals(tmp_path: Path) -> None:
    clock = SpanRecorder()
    entry = discover().environment("tabletop")
    with closing(ProcessPool(entry, "object", TabletopOptions(), 2)) as pool:
        policy = make_policy(pool.contract, NanoOptions(), 0).eval()
        waiting = iter([Episode(Start(task, 10_000), 0, ("trace", task)) for task in range(4)])
        list(roll_out(pool, Actor(policy, 1.0), lambda: next(waiting, None), keep=True, clock=clock))
    names, events = saved(tmp_path / "trace.json", clock.spans)
    assert names == {TRAINER: "trainer", 1: "worker 0", 2: "worker 1"}
    recorded: dict[tuple[int, str], float] = defaultdict(float)
    written: dict[tuple[int, str], float] = defaultdict(float)
    for span in clock.spans:
        recorded[span.process, span.activity] += span.end - span.start
    for event in events:
        assert event["name"] == event["cat"]
        written[event["pid"], event["name"]] += event["dur"] / 1e6
    assert len(events) == len(clock.spans)
    assert written == pytest.approx(recorded, abs=1e-6 * len(events))
    assert {(1, "rendering"), (2, "stepping"), (TRAINER, "policy")} <= written.keys()


seconds = st.floats(0, 100, allow_nan=False)


@given(st.lists(st.tuples(seconds, seconds).map(sorted), min_size=2, max_size=2))
def test_save_keeps_nested_spans_nested_and_separate_ones_separate(
    tmp_path_factory: pytest.TempPathFactory, times: list[list[float]]
) -> None:
    (first_start, first_end), (second_start, second_end) = sorted(times)
    spans = [Span(4, "x", first_start, first_end), Span(4, "y", second_start, second_end)]
    names, events = saved(tmp_path_factory.getbasetemp() / "trace.json", spans)
    assert names == {4: "worker 3"}
    by_name = {event["name"]: (event["ts"], event["ts"] + event["dur"]) for event in events}
    (x_start, x_end), (y_start, y_end) = by_name["x"], by_name["y"]
    assert x_start <= y_start
    if second_end <= first_end:
        assert y_end <= x_end
    elif second_start >= first_end:
        assert y_start >= x_end
