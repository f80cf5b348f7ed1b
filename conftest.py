"""What every test shares, the plugins' included: one thread, repeatable examples."""

from __future__ import annotations

import os
from typing import Any

# before anything imports NumPy or torch: tests run side by side with other work, and sums keep their order
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def timed(request: pytest.FixtureRequest) -> Any:
    """The fixture of pytest-benchmark for tests that take minutes: skipped unless ``--benchmark-enable`` is given."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("a benchmark. Run: tox -e benchmark")
    return request.getfixturevalue("benchmark")
