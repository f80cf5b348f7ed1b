"""The only door to LIBERO and robosuite, which are untyped, print on import and read GL settings at import.

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
    """Swallow what upstream prints and logs while it is imported or built."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """LIBERO draws fixture poses from NumPy's global generator: seed it, and give it back as it was."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


@functools.cache
def benchmark(suite: str) -> Any:
    """LIBERO's benchmark object of a task suite: names, instructions, files; no simulator."""
    with quiet():
        return importlib.import_module("libero.libero.benchmark").get_benchmark_dict()[suite]()


def bddl_file(suite: str, task: int) -> str:
    """Path of the task's description."""
    entry = benchmark(suite).get_task(task)
    folder: str = importlib.import_module("libero.libero").get_libero_path("bddl_files")
    return os.path.join(folder, entry.problem_folder, entry.bddl_file)


def instruction(suite: str, task: int) -> str:
    """What the robot is told: LIBERO's words, made of the file's name; the file's own where it perturbs them."""
    if not suite.endswith(OWN_INSTRUCTIONS):
        return str(benchmark(suite).get_task(task).language)
    with open(bddl_file(suite, task)) as file:
        found = re.search(r"\(:language\s+([^)]*)\)", file.read())
    assert found is not None
    return found[1].strip()


def init_states(suite: str, task: int) -> NDArray[np.float64]:
    """The official init states, ``[50, 1 + nq + nv]``: time, qpos, qvel."""
    with quiet():
        return np.asarray(benchmark(suite).get_task_init_states(task))


def off_screen_environment(suite: str, task: int, **arguments: Any) -> Any:
    """LIBERO's OffScreenRenderEnv for a task."""
    with quiet():
        kind = importlib.import_module("libero.libero.envs").OffScreenRenderEnv
        return kind(bddl_file_name=bddl_file(suite, task), **arguments)


def render_context_class() -> Any:
    """robosuite's MjRenderContext."""
    with quiet():
        return importlib.import_module("robosuite.utils.binding_utils").MjRenderContext


def control_utils() -> Any:
    """robosuite's arithmetic of operational space control, compiled by Numba."""
    with quiet():
        return importlib.import_module("robosuite.utils.control_utils")


def randomization_error() -> type[Exception]:
    """What placement initialisers raise when they find no place."""
    kind: type[Exception] = importlib.import_module("robosuite.utils.errors").RandomizationError
    return kind
