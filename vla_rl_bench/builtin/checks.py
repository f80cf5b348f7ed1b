"""Checks of ``vla-rl-bench doctor`` for the core: interpreter, torch, cores."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys

from vla_rl_bench.entries import CheckResult

OLDEST_PYTHON = (3, 11)


def python_version() -> list[CheckResult]:
    needed = ".".join(map(str, OLDEST_PYTHON))
    what = f"Python {platform.python_version()} ({sys.executable})"
    return [CheckResult(sys.version_info >= OLDEST_PYTHON, what, f"install Python {needed} or newer")]


def torch_build() -> list[CheckResult]:
    if importlib.util.find_spec("torch") is None:
        return [CheckResult(False, "torch is not installed", "pip install torch")]
    try:
        import torch
    except (ImportError, OSError) as error:  # a build for another machine: a shared library is missing
        return [CheckResult(False, f"torch does not load: {error}", "pip install --force-reinstall torch")]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return [CheckResult(True, f"torch {torch.__version__} on {device}")]


def pinned_threads() -> list[CheckResult]:
    """Check OMP_NUM_THREADS: runs share the cores with one thread each; a full thread pool per run is slower."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    what = f"{cores} cores, OMP_NUM_THREADS={threads or 'unset'}"
    ok = threads is None or (threads.isdigit() and 1 <= int(threads) <= cores)
    return [CheckResult(ok, what, "unset OMP_NUM_THREADS, or export OMP_NUM_THREADS=1")]
