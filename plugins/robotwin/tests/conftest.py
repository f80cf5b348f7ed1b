"""Tests marked `sim` need RoboTwin's interpreter and a Vulkan driver; without them they skip, unless they must run.

ROBOTWIN_PYTHON: another interpreter than the one that ``vla-rl-bench env create robotwin`` builds.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the plugin's light half is tested also where it is not installed

from vla_rl_bench.rollout import interpreters
from vla_rl_bench_robotwin.interpreter import ROBOTWIN
from vla_rl_bench_robotwin.needs import needs
from vla_rl_bench_robotwin.options import RoboTwinOptions


@cache
def python() -> str | None:
    """The workers' interpreter; None where there is none."""
    found = interpreters.find(ROBOTWIN)
    return os.environ.get("ROBOTWIN_PYTHON") or (str(found) if found else None)


@cache
def missing() -> str:
    """What to type before the simulator runs here; "" when it does."""
    if python() is None:
        return "robotwin2 runs under an interpreter of its own. Run: vla-rl-bench env create robotwin"
    lacking = [one for one in needs(["mesh_free"], RoboTwinOptions(assets="procedural"), python()) if not one.ok]
    return "; ".join(f"{one.what}. Run: {one.advice}" for one in lacking)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("nightly") and "nightly" not in item.config.option.markexpr:
        pytest.skip("takes minutes; run: pytest plugins/robotwin -m nightly")
    if item.get_closest_marker("sim") is None or not missing():
        return
    if os.environ.get("VLA_RL_BENCH_REQUIRE_SIM") == "1":
        pytest.fail(missing(), pytrace=False)
    pytest.skip(missing())
