"""Recorded states seen again: images of another size than the file's, from the simulator."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench.types import ImageSpec, Observation
from vla_rl_bench_libero.checks import INSTALL
from vla_rl_bench_libero.opengl import choose_backend
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.simulator import CAMERA, Vector, observation

if TYPE_CHECKING:
    from vla_rl_bench_libero.tuned import TunedSimulator

_PACKAGES = ("libero", "robosuite", "mujoco")


class Rerenderer:
    """Builds a task's simulator when it is first needed, and one at a time: each takes 4 s and 1 GB."""

    def __init__(self, suite: str, options: LiberoOptions) -> None:
        self._suite, self._options = suite, replace(options, driver="tuned")  # shows what the reference shows
        self._task: int | None = None
        self._simulator: TunedSimulator | None = None

    def __enter__(self) -> Rerenderer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def observations(self, task: int, states: Vector, image: ImageSpec, where: str) -> Observation:
        """States ``[T, 1 + nq + nv]`` -> what is seen in each, images of the environment's size."""
        _need_simulator(image, where)
        simulator = self._of(task)
        try:
            return Observation.stack([observation(simulator.show(state), simulator.base) for state in states])
        except ValueError as error:
            raise UserError(f"{where}: {error}; is this file of another task?") from None

    def _of(self, task: int) -> TunedSimulator:
        if self._simulator is None or self._task != task:
            from vla_rl_bench_libero.environment import tuned_simulator

            self._close()
            self._task, self._simulator = task, tuned_simulator(self._suite, task, self._options)
        return self._simulator

    def _close(self) -> None:
        if self._simulator is not None:
            self._simulator.close()
            self._simulator = None


def _need_simulator(image: ImageSpec, where: str) -> None:
    """Complain unless the simulator is there and renders."""
    what = f"{where}: no {image.width}x{image.height} images of `{image.name}`"
    if image.name != CAMERA:
        raise UserError(f"{what}, and only `{CAMERA}` is rendered again; set environment.image_size to the stored size")
    advice = "set environment.image_size to the stored size, or let the states be rendered again"
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise UserError(f"{what}: {advice}, which needs {', '.join(missing)}. Run: {INSTALL}")
    try:
        choose_backend()
    except MissingRequirement as error:
        raise UserError(f"{what}: {advice}. {error}") from None


def official_index(suite: str, task: int, state: Vector) -> int:
    """The official init state that `state` is (time aside), or 0: also where LIBERO is not installed."""
    if any(find_spec(name) is None for name in _PACKAGES):
        return 0
    try:
        choose_backend()
    except MissingRequirement:
        return 0
    from vla_rl_bench_libero import libero_api

    states = libero_api.init_states(suite, task)
    if states.shape[1] != len(state):
        return 0
    same = np.isclose(states[:, 1:], state[1:], rtol=0.0, atol=1e-6).all(1)
    return int(same.argmax())  # 0 where none is
