"""Tests of registration and of the doctor's checks."""

from __future__ import annotations

import ctypes.util
import subprocess
import sys

import pytest

from vla_rl_bench.errors import MissingRequirement
from vla_rl_bench_libero import checks, opengl, plugin
from vla_rl_bench_libero.options import SUITES, LiberoOptions


def test_plugin_imports_nothing_heavy() -> None:
    heavy = ["torch", "mujoco", "libero", "robosuite", "cv2"]
    code = (
        "import sys, vla_rl_bench_libero.plugin as plugin\n"
        "list(plugin.register_environments()); list(plugin.register_checks())\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert process.stdout.strip() == "[]"


def test_plugin_registers_libero() -> None:
    (entry,) = plugin.register_environments()
    assert (entry.name, entry.suites, entry.options, entry.batched) == ("libero", SUITES, LiberoOptions, False)
    assert entry.install == 'pip install -e "plugins/libero[sim]"'


def test_missing_opengl_names_the_apt_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(MissingRequirement, match="apt-get install libegl1 libgl1-mesa-dri"):
        opengl.choose_backend()


@pytest.mark.sim
def test_check_renders() -> None:
    results = checks.check()
    assert all(result.ok for result in results), results
    assert any("renders with" in result.what for result in results)


@pytest.mark.sim
def test_check_reports_failing_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """First an EGL device that does not exist, then no working backend."""
    monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "99")
    assert opengl.probe("egl") != ""
    monkeypatch.setattr(opengl, "_PROBE", "raise SystemExit('no library')")
    result = checks.check()[-1]
    assert not result.ok
    assert "libegl1 libgl1-mesa-dri" in result.advice and "libosmesa6" in result.advice
