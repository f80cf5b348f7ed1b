"""Measurements take minutes and say nothing on a busy machine: only where they are asked for."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _asked_for(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("a measurement. Run: tox -e benchmark")
