"""Skip or fail tests marked `sim` if Meta-World's interpreter is not built."""

from __future__ import annotations

import os
from functools import cache

import pytest

from vla_rl_bench.rollout import interpreters
from vla_rl_bench_metaworld.plugin import INTERPRETER


@cache
def missing() -> str:
    """Return the command that makes the simulator run; "" if it runs."""
    if interpreters.find(INTERPRETER) is None:
        return "metaworld runs under an interpreter of its own. Run: vla-rl-bench env create metaworld"
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("sim") is None or not missing():
        return
    if os.environ.get("VLA_RL_BENCH_REQUIRE_SIM") == "1":
        pytest.fail(missing(), pytrace=False)
    pytest.skip(missing())
