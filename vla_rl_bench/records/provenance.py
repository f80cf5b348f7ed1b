"""Versions and environment that a run records."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from vla_rl_bench.types import EnvironmentSpec


def versions(others: Iterable[str] = ()) -> dict[str, str]:
    """Versions of this package, its git revision if it has one, torch, NumPy, Python and the machine.

    Args:
        others: Distributions that a plugin needs, such as ``transformers``.
    """
    recorded = {name: metadata.version(name) for name in ("vla-rl-bench", "torch", "numpy")}
    for name in others:
        with suppress(metadata.PackageNotFoundError):  # the module has another name than its distribution
            recorded[name] = metadata.version(name)
    recorded["python"] = platform.python_version()
    recorded["machine"] = platform.machine()
    revision = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if revision.returncode == 0:
        recorded["git"] = revision.stdout.strip()
    return recorded


def environment_summary(contract: EnvironmentSpec) -> dict[str, object]:
    """The part of an environment's contract that a run records."""
    return {
        "name": contract.name,
        "suite": contract.suite,
        "protocol": contract.protocol,
        "comparable": contract.comparable,
        "tasks": [{"name": t.name, "instruction": t.instruction, "step_limit": t.step_limit} for t in contract.tasks],
        "splits": {name: list(bounds) for name, bounds in contract.splits.items()},
        "versions": dict(contract.versions),
        "action": list(contract.action.names),
        "gripper": contract.action.gripper,
        "rotation": contract.action.rotation,
    }
