"""Images of recorded states, rendered by the simulator in another size than the file's."""

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
    """A renderer of recorded states; it keeps one task's simulator (4 s and 1 GB), built when needed."""

    def __init__(self, suite: str, options: LiberoOptions) -> None:
        self._suite, self._options = suite, replace(options, driver="tuned")  # same images as the reference
        self._task: int | None = None
        self._simulator: TunedSimulator | None = None

    def __enter__(self) -> Rerenderer:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def observations(self, task: int, states: Vector, image: ImageSpec, where: str) -> Observation:
        """Return the observation of each state ``[T, 1 + nq + nv]``, with images of the environment's size."""
        _require_simulator(image, where)
        simulator = self._simulator_of(task)
        try:
            return Observation.stack([observation(simulator.render_state(state), simulator.base) for state in states])
        except ValueError as error:
            raise UserError(f"{where}: {error}; is this file of another task?") from None

    def _simulator_of(self, task: int) -> TunedSimulator:
        if self._simulator is None or self._task != task:
            from vla_rl_bench_libero.environment import tuned_simulator

            self._close()
            self._task, self._simulator = task, tuned_simulator(self._suite, task, self._options)
        return self._simulator

    def _close(self) -> None:
        if self._simulator is not None:
            self._simulator.close()
            self._simulator = None


def _require_simulator(image: ImageSpec, where: str) -> None:
    """Raise UserError unless the simulator is installed and renders."""
    problem = f"{where}: no {image.width}x{image.height} images of `{image.name}`"
    if image.name != CAMERA:
        raise UserError(
            f"{problem}, and only `{CAMERA}` is rendered again; set environment.image_size to the stored size"
        )
    advice = "set environment.image_size to the stored size, or let the states be rendered again"
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise UserError(f"{problem}: {advice}, which needs {', '.join(missing)}. Run: {INSTALL}")
    try:
        choose_backend()
    except MissingRequirement as error:
        raise UserError(f"{problem}: {advice}. {error}") from None


def official_index(suite: str, task: int, state: Vector) -> int:
    """Return the index of the official init state equal to `state` (except time); 0 if none is or LIBERO is missing."""
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
    equal = np.isclose(states[:, 1:], state[1:], rtol=0.0, atol=1e-6).all(1)
    return int(equal.argmax())  # 0 if none is equal
