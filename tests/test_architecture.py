"""What import contracts cannot see: what importing really loads, the packages' own modules included."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "pandas", "matplotlib", "gymnasium", "pydantic", "rich", "typer", "imageio", "jinja2", "safetensors"}


def loaded_by(module: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after importing a module."""
    code = f"import {module}, sys; print(*({HEAVY} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return set(found.stdout.split())


@pytest.mark.parametrize(
    "module", ["vla_rl_bench.rollout.worker", "vla_rl_bench.entries", "vla_rl_bench.builtin.tabletop.environment"]
)
def test_an_environment_worker_loads_only_numpy(module: str) -> None:
    assert loaded_by(module) == set()


@pytest.mark.parametrize("module", ["vla_rl_bench.hookspecs", "vla_rl_bench.builtin.plugin", "vla_rl_bench.catalog"])
def test_looking_around_loads_nothing_slow(module: str) -> None:
    assert loaded_by(module) <= {"pydantic"}
