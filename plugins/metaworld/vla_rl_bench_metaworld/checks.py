"""Checks for `vla-rl-bench doctor`.  Light, and never raise."""

from __future__ import annotations

import ctypes.util
import os

from vla_rl_bench.entries import CheckResult, Interpreter
from vla_rl_bench.rollout import interpreters

LIBRARIES = {
    "egl": ("EGL", "libegl1 libgl1-mesa-dri"),
    "osmesa": ("OSMesa", "libosmesa6"),
}  # by MUJOCO_GL: the library and its packages


def check_interpreter(interpreter: Interpreter) -> CheckResult:
    """Check that the workers' interpreter is built."""
    built = interpreters.find(interpreter) is not None
    text = "the workers' interpreter `metaworld`" + ("" if built else " has not been built")
    return CheckResult(built, text, "vla-rl-bench env create metaworld")


def check_library() -> CheckResult:
    """Check that the OpenGL library of the workers is installed; do not render with it."""
    backend = os.environ.get("MUJOCO_GL", "egl")
    if backend not in LIBRARIES:
        return CheckResult(True, f"MUJOCO_GL={backend}, not checked")
    library, packages = LIBRARIES[backend]
    installed = ctypes.util.find_library(library) is not None
    return CheckResult(
        installed, f"lib{library}" if installed else f"lib{library} is missing", f"sudo apt install {packages}"
    )
