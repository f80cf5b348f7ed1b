"""What `vla-rl-bench doctor` looks at.  Light, and never raises."""

from __future__ import annotations

import ctypes.util
import os

from vla_rl_bench.entries import CheckResult, Interpreter
from vla_rl_bench.rollout import interpreters

LIBRARIES = {
    "egl": ("EGL", "libegl1 libgl1-mesa-dri"),
    "osmesa": ("OSMesa", "libosmesa6"),
}  # MUJOCO_GL -> what it needs


def interpreter_is_built(interpreter: Interpreter) -> CheckResult:
    built = interpreters.find(interpreter) is not None
    what = "the workers' interpreter `metaworld`" + ("" if built else " has not been built")
    return CheckResult(built, what, "vla-rl-bench env create metaworld")


def library_is_there() -> CheckResult:
    """The OpenGL library that workers draw with; not whether it draws."""
    chosen = os.environ.get("MUJOCO_GL", "egl")
    if chosen not in LIBRARIES:
        return CheckResult(True, f"MUJOCO_GL={chosen}, not looked at")
    library, packages = LIBRARIES[chosen]
    there = ctypes.util.find_library(library) is not None
    return CheckResult(there, f"lib{library}" if there else f"lib{library} is missing", f"sudo apt install {packages}")
