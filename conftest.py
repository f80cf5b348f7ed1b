"""What every test shares, the plugins' included: one thread, repeatable examples, the simulator gate."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

# before anything imports NumPy or torch: tests run side by side with other work, and sums keep their order
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")


@cache
def missing_simulator() -> str:
    """What a test marked ``sim`` lacks here and how to get it; empty where a simulator renders."""
    try:
        from vla_rl_bench_libero.checks import check
    except ModuleNotFoundError:
        return 'the LIBERO plugin is missing. Run: pip install -e "plugins/libero[sim]"'
    wrong = [result for result in check() if not result.ok]
    return "; ".join(f"{result.what}. Run: {result.advice}" for result in wrong)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Skip the tests marked ``sim`` where no simulator renders; with VLA_RL_BENCH_REQUIRE_SIM=1 nothing is skipped."""
    simulated = [item for item in items if item.get_closest_marker("sim")]
    if not simulated or os.environ.get("VLA_RL_BENCH_REQUIRE_SIM") == "1":
        return
    if reason := missing_simulator():
        for item in simulated:
            item.add_marker(pytest.mark.skip(reason=reason))
