"""The growth script fits lines as it should."""

from __future__ import annotations

import pytest

from tests.benchmarks.growth import cpu_by_environments, fit, resident_bytes


def test_a_line_is_found_and_explains_everything() -> None:
    found = fit([16, 32, 64, 128], [3 + 0.5 * x for x in (16, 32, 64, 128)])
    assert (found.slope, found.intercept, found.r2) == pytest.approx((0.5, 3.0, 1.0))


def test_what_is_no_line_is_explained_less() -> None:
    """y = x² at -1, 0, 1: the best line is flat, and explains nothing."""
    found = fit([-1, 0, 1], [1, 0, 1])
    assert found.slope == pytest.approx(0) and found.r2 == pytest.approx(0)


def test_this_process_has_memory() -> None:
    assert 10e6 < resident_bytes() < 1e12


@pytest.mark.slow
def test_an_iteration_with_worker_processes_is_measured_for_each_size() -> None:
    rows = cpu_by_environments((1, 2), (1, 2), rounds=1)
    assert [row["environments"] for row in rows] == [1, 2]
    assert all(len(row["cpu_seconds"]) == 2 and min(map(min, row["cpu_seconds"])) > 0 for row in rows)
