"""All imports of LIBERO and robosuite, which are untyped, print on import and read GL settings at import.

Call `vla_rl_bench_libero.opengl.choose_backend` before the first use of this module.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench_libero.options import OWN_INSTRUCTIONS


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what LIBERO and robosuite print and log."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which LIBERO samples fixture poses from, and restore it at the end."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


@functools.cache
def benchmark(suite: str) -> Any:
    """Return LIBERO's benchmark object of a task suite: names, instructions, files; no simulator."""
    with quiet():
        return importlib.import_module("libero.libero.benchmark").get_benchmark_dict()[suite]()


def bddl_file(suite: str, task: int) -> str:
    """Return the path of the task's BDDL description."""
    entry = benchmark(suite).get_task(task)
    folder: str = importlib.import_module("libero.libero").get_libero_path("bddl_files")
    return os.path.join(folder, entry.problem_folder, entry.bddl_file)


def instruction(suite: str, task: int) -> str:
    """Return the instruction: LIBERO's, made from the file's name, or the file's own in suites that perturb it."""
    if not suite.endswith(OWN_INSTRUCTIONS):
        return str(benchmark(suite).get_task(task).language)
    with open(bddl_file(suite, task)) as file:
        language = re.search(r"\(:language\s+([^)]*)\)", file.read())
    assert language is not None
    return language[1].strip()


def init_states(suite: str, task: int) -> NDArray[np.float64]:
    """Return the official init states, ``[50, 1 + nq + nv]``: time, qpos, qvel."""
    with quiet():
        return np.asarray(benchmark(suite).get_task_init_states(task))


def off_screen_environment(suite: str, task: int, **arguments: Any) -> Any:
    """Build LIBERO's OffScreenRenderEnv of a task."""
    with quiet():
        environment_class = importlib.import_module("libero.libero.envs").OffScreenRenderEnv
        return environment_class(bddl_file_name=bddl_file(suite, task), **arguments)


def render_context_class() -> Any:
    """Return robosuite's MjRenderContext."""
    with quiet():
        return importlib.import_module("robosuite.utils.binding_utils").MjRenderContext


def control_utils() -> Any:
    """Return robosuite's functions of operational space control, compiled by Numba."""
    with quiet():
        return importlib.import_module("robosuite.utils.control_utils")


def randomization_error() -> type[Exception]:
    """Return the exception that placement initializers raise if an object does not fit."""
    error_class: type[Exception] = importlib.import_module("robosuite.utils.errors").RandomizationError
    return error_class
