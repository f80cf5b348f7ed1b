"""The OpenGL library of MuJoCo: EGL (Mesa's llvmpipe without a GPU) or OSMesa; their images are bit-identical."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys

from vla_rl_bench.errors import MissingRequirement

APT = {"egl": "apt-get install libegl1 libgl1-mesa-dri", "osmesa": "apt-get install libosmesa6"}
_LIBRARY = {"egl": "EGL", "osmesa": "OSMesa"}

_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
image = renderer.render()
renderer.close()
assert image.max() > image.min(), "the rendered image is blank"
"""


def choose_backend() -> str:
    """Set the environment variables that MuJoCo reads at its first import, and return ``egl`` or ``osmesa``.

    A user's own MUJOCO_GL is kept.

    Raises:
        MissingRequirement: No library is installed.
    """
    backend = os.environ.get("MUJOCO_GL") or _installed_backend()
    os.environ["MUJOCO_GL"] = backend
    os.environ.setdefault("PYOPENGL_PLATFORM", backend)
    os.environ.setdefault("LP_NUM_THREADS", "0")  # llvmpipe renders in the calling thread: a worker owns one core
    return backend


def _installed_backend() -> str:
    for backend, library in _LIBRARY.items():
        if ctypes.util.find_library(library):
            return backend
    raise MissingRequirement("libero needs an OpenGL library to render", f"{APT['egl']}   or: {APT['osmesa']}")


def probe(backend: str, timeout: float = 60) -> str:
    """Render a sphere with `backend` in a new process; return "" on success, else the last line of its error."""
    environment = {**os.environ, "MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}
    command = [sys.executable, "-c", _PROBE]
    try:
        process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout:g} s"
    if process.returncode == 0:
        return ""
    lines = [line for line in process.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {process.returncode}"
