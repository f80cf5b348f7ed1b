"""Seconds by activity."""

from __future__ import annotations

import time

import pytest

from vla_rl_bench_robotwin.v2.stopwatch import Stopwatch


def test_what_is_measured_within_counts_once() -> None:
    watch = Stopwatch("stepping", "rendering", "reset")
    with watch.measure("stepping"):
        time.sleep(0.02)
        with watch.measure("rendering"):
            time.sleep(0.2)
    assert watch.seconds["rendering"] >= 0.2
    assert 0.02 <= watch.seconds["stepping"] < 0.2
    assert watch.seconds["reset"] == 0


def test_a_failure_is_measured_too() -> None:
    watch = Stopwatch("reset")
    with pytest.raises(ValueError, match="gone"), watch.measure("reset"):
        time.sleep(0.01)
        raise ValueError("gone")
    assert watch.seconds["reset"] >= 0.01
