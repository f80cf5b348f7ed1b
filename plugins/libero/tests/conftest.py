"""Skip tests marked `sim` if LIBERO or OpenGL is missing; fail them if VLA_RL_BENCH_REQUIRE_SIM=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # some tests also run if the plugin is not installed

from vla_rl_bench.errors import MissingRequirement
from vla_rl_bench_libero.checks import INSTALL
from vla_rl_bench_libero.opengl import choose_backend
from vla_rl_bench_libero.options import LiberoOptions


@cache
def missing() -> str:
    """Return the command that makes the simulator run; "" if it runs."""
    packages = [name for name in ("libero", "robosuite", "mujoco") if find_spec(name) is None]
    if packages:
        return f"libero needs {', '.join(packages)}. Run: {INSTALL}"
    try:
        choose_backend()
    except MissingRequirement as error:
        return str(error)
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("nightly") and "nightly" not in item.config.option.markexpr:
        pytest.skip("takes hours; run: pytest -m nightly")
    if item.get_closest_marker("sim") is None or not missing():
        return
    if os.environ.get("VLA_RL_BENCH_REQUIRE_SIM") == "1":
        pytest.fail(missing(), pytrace=False)
    pytest.skip(missing())


@pytest.fixture(scope="session")
def fast() -> Iterator[Any]:
    """A LiberoEnvironment of libero_object with fast rendering, shared by all tests."""
    from vla_rl_bench_libero.environment import make

    environment = make("libero_object", LiberoOptions(rendering="fast", step_limit=200))
    yield environment
    environment.close()


@pytest.fixture(scope="session")
def exact() -> Iterator[Any]:
    """A LiberoEnvironment of libero_object with exact rendering."""
    from vla_rl_bench_libero.environment import make

    environment = make("libero_object", LiberoOptions())
    yield environment
    environment.close()
