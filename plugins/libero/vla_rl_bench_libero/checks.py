"""Checks for ``vla-rl-bench doctor``: packages, the distribution that provides LIBERO, an OpenGL that renders."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from vla_rl_bench.entries import CheckResult
from vla_rl_bench_libero.opengl import APT, probe
from vla_rl_bench_libero.provenance import libero_distribution, version

INSTALL = 'pip install -e "plugins/libero[sim]"'


def check() -> Sequence[CheckResult]:
    """Check the packages, then rendering if MuJoCo is installed."""
    results = _packages()
    return [*results, _rendering()] if find_spec("mujoco") else results


def _packages() -> list[CheckResult]:
    results = []
    for package in ("libero", "robosuite", "mujoco"):
        if find_spec(package) is None:
            results.append(CheckResult(False, f"python package {package} is missing", INSTALL))
        elif package == "libero":
            results.append(CheckResult(True, f"libero from {libero_distribution()}"))
        else:
            results.append(CheckResult(True, f"{package} {version(package)}"))
    return results


def _rendering() -> CheckResult:
    errors = []
    for backend in APT:
        error = probe(backend)
        if not error:
            return CheckResult(True, f"MuJoCo renders with {backend}")
        errors.append(f"{backend}: {error}")
    return CheckResult(False, f"MuJoCo cannot render ({'; '.join(errors)})", "   or: ".join(APT.values()))
