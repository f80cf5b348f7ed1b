"""Versions and declaration of the environment, as a run records them."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from vla_rl_bench.types import EnvironmentSpec


def versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Read the versions of this package, its git revision if it has one, torch, NumPy, Python and the machine.

    Args:
        distributions: More distributions, which a plugin needs, such as ``transformers``.
    """
    recorded = {name: metadata.version(name) for name in ("vla-rl-bench", "torch", "numpy")}
    for name in distributions:
        with suppress(metadata.PackageNotFoundError):  # a module whose distribution has another name
            recorded[name] = metadata.version(name)
    recorded["python"] = platform.python_version()
    recorded["machine"] = platform.machine()
    revision = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if revision.returncode == 0:
        recorded["git"] = revision.stdout.strip()
    return recorded


def environment_summary(spec: EnvironmentSpec) -> dict[str, object]:
    """Convert the recorded part of an environment's declaration to plain data."""
    return {
        "name": spec.name,
        "suite": spec.suite,
        "protocol": spec.protocol,
        "comparable": spec.comparable,
        "tasks": [
            {"name": task.name, "instruction": task.instruction, "step_limit": task.step_limit} for task in spec.tasks
        ],
        "splits": {split: list(start_range) for split, start_range in spec.splits.items()},
        "versions": dict(spec.versions),
        "action": list(spec.action.names),
        "gripper": spec.action.gripper,
        "rotation": spec.action.rotation,
    }
