"""The timeline: lanes in order, bars that add up, a PNG that is the same for the same spans."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.pictures.timeline import activities, bars, draw_timeline, lanes
from vla_rl_bench.rollout.timing import Span

SPANS = [
    Span("worker 10", "stepping", 0.0, 0.4),
    Span("worker 2", "rendering", 0.4, 0.5),
    Span("trainer", "policy", 0.5, 0.7),
    Span("trainer", "update", 0.7, 1.0),
    Span("worker 2", "warming up", 0.1, 0.2),
]


def test_the_trainer_is_on_top_and_workers_follow_by_number() -> None:
    assert lanes(SPANS) == ["trainer", "worker 2", "worker 10"]


def test_only_what_occurs_is_in_the_legend_strangers_last() -> None:
    assert activities(SPANS) == ["stepping", "rendering", "policy", "update", "warming up"]


def test_what_touches_is_one_bar() -> None:
    spans = [Span("a", "x", 0.0, 1.0), Span("a", "x", 1.0, 2.0), Span("a", "x", 3.0, 4.0), Span("b", "x", 2.0, 3.0)]
    assert bars(spans, "a", "x") == [(0.0, 2.0), (3.0, 1.0)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=20))
def test_bars_cover_what_the_spans_cover(given_: list[tuple[int, int]]) -> None:
    spans = [Span("a", "x", float(start), float(start + length)) for start, length in given_]
    found = bars(spans, "a", "x")
    covered = {second for start, length in given_ for second in range(start, start + length)}
    assert sum(length for _, length in found) == len(covered)
    assert all(first + length < then for (first, length), (then, _) in pairwise(found))


def test_the_same_spans_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        draw_timeline(SPANS, tmp_path / name, title="A title", subtitle="below it")
    first = (tmp_path / "one.png").read_bytes()
    assert first.startswith(b"\x89PNG") and first == (tmp_path / "two.png").read_bytes()


def test_nothing_to_draw_is_drawn_too(tmp_path: Path) -> None:
    draw_timeline([], tmp_path / "none.png", title="Nothing")
    assert (tmp_path / "none.png").read_bytes().startswith(b"\x89PNG")
