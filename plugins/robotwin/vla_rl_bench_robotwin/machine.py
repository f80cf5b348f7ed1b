"""Checks of this machine and the workers' interpreter: versions, planners, a Vulkan driver that SAPIEN accepts."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from functools import cache
from pathlib import Path

from vla_rl_bench.entries import CheckResult
from vla_rl_bench_robotwin import probe

_HERE = Path(__file__).resolve().parent
MESA = f"bash {_HERE / 'install_mesa.sh'}   or install your GPU's driver"
_DRIVERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
_SECONDS = 120


def loader(python: str | None) -> CheckResult:
    """The Vulkan loader: the system's, or the one that SAPIEN brings."""
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        if python is None:
            return CheckResult(False, "no Vulkan loader (libvulkan.so.1)", "apt-get install libvulkan1")
        return CheckResult(True, "the Vulkan loader that SAPIEN brings")
    return CheckResult(True, "the system's Vulkan loader")


def vulkan(python: str | None) -> CheckResult:
    """SAPIEN builds a scene; where there is no interpreter to try it with, whether there is any driver at all."""
    if python is None:
        drivers = icds()
        if not drivers:
            return CheckResult(False, "no Vulkan driver", MESA)
        return CheckResult(True, f"Vulkan drivers, not tried yet: {', '.join(drivers)}")
    answer = ask(python, "render")
    if answer.returncode == 0:
        return CheckResult(True, f"SAPIEN renders on {answer.stdout.strip().splitlines()[-1]}")
    return CheckResult(False, f"SAPIEN cannot render ({_last(answer)})", MESA)


def icds() -> list[str]:
    """File names of the Vulkan drivers that a loader would look at."""
    named = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if named:
        return [Path(file).name for file in named.split(os.pathsep) if Path(file).is_file()]
    return sorted(file.name for folder in _DRIVERS for file in Path(folder).glob("*.json"))


def runtime(python: str, required: str) -> CheckResult:
    """RoboTwin 2.0's runtime of the version that the plugin was written for."""
    installed = versions(python).get("rlinf-robotwin-runtime")
    if installed == required:
        sapien = versions(python).get("sapien")
        return CheckResult(True, f"RoboTwin 2.0 runtime {installed}, SAPIEN {sapien}")
    what = f"RoboTwin 2.0 runtime {installed or 'is missing'} in {python}, {required} is required"
    return CheckResult(False, what, "vla-rl-bench env create robotwin")


def planner(python: str, required: str = "mplib") -> CheckResult:
    """mplib comes with the interpreter; curobo is compiled for a GPU by its user."""
    name = {"mplib": "mplib", "curobo": "nvidia-curobo"}[required]
    installed = versions(python).get(name)
    if installed:
        return CheckResult(True, f"planner {required} {installed}")
    if required == "mplib":
        return CheckResult(False, f"planner mplib is missing in {python}", "vla-rl-bench env create robotwin")
    return CheckResult(
        False,
        f"planner curobo is missing in {python}; it needs an NVIDIA GPU and CUDA's compiler",
        f"git clone https://github.com/NVlabs/curobo && {python} -m pip install --no-build-isolation ./curobo",
    )


@cache
def versions(python: str) -> dict[str, str | None]:
    """Versions of the relevant distributions under that interpreter, by name; empty if it does not run."""
    answer = ask(python, "versions")
    if answer.returncode:
        return {}
    installed: dict[str, str | None] = json.loads(answer.stdout)
    return installed


@cache
def ask(python: str, what: str) -> subprocess.CompletedProcess[str]:
    """Run the probe, once a process."""
    command = [python, "-W", "ignore", str(Path(probe.__file__)), what]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _last(answer: subprocess.CompletedProcess[str]) -> str:
    lines = answer.stderr.strip().splitlines() or answer.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit status {answer.returncode}"
