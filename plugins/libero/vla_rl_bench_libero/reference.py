"""The reference driver: LIBERO's OffScreenRenderEnv as it is: hard resets, all observables, two cameras at every step.

A start is what a fresh OffScreenRenderEnv gives after ``seed(0); reset(); set_init_state(state)``, as in SimpleVLA-RL's
workers.  (A second reset of the same one gives other fixture poses: its list of initialisers has grown.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_rl_bench.types import ImageArray
from vla_rl_bench_libero import libero_api
from vla_rl_bench_libero.simulator import CAMERA, FILM_SIZE, LIBERO_SEED, SETTLE_ACTION, Frame, Vector, rotate
from vla_rl_bench_libero.stopwatch import Stopwatch


class ReferenceSimulator:
    """Slow (0.12 s a step, 4 s a reset); here to prove the tuned driver right.  Rendering is counted as stepping."""

    def __init__(self, suite: str, task: int, image_size: int, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._states = libero_api.init_states(suite, task)
        self._environment = libero_api.off_screen_environment(
            suite, task, camera_heights=image_size, camera_widths=image_size
        )
        self.instance: Any = self._environment.env
        self._initialisers = len(self.instance.object_property_initializers)
        self.base = np.array(self.instance.robots[0].base_pos)

    def reset(self, index: int, settle: int) -> Frame:
        self._make_current()
        del self.instance.object_property_initializers[self._initialisers :]
        with libero_api.numpy_seed(LIBERO_SEED), libero_api.quiet():
            self._environment.reset()
        seen = self._environment.set_init_state(self._states[index])
        for _ in range(settle):
            seen = self._environment.step(list(SETTLE_ACTION))[0]
        return _frame(seen)

    def step(self, action: Vector, look: bool) -> tuple[bool, Frame | None]:
        self._make_current()
        seen, _, done, _ = self._environment.step(np.asarray(action, np.float64).tolist())
        return bool(done), _frame(seen) if look else None

    def film(self) -> ImageArray:
        self._make_current()
        with self._stopwatch.measure("rendering"):
            return rotate(self._environment.sim.render(FILM_SIZE, FILM_SIZE, camera_name=CAMERA))

    def close(self) -> None:
        self._make_current()
        self._environment.close()

    def _make_current(self) -> None:
        """Another task's context may be current, and GL calls, also those that free, go to the current one."""
        self._environment.sim._render_context_offscreen.gl_ctx.make_current()


def _frame(seen: dict[str, Any]) -> Frame:
    return Frame(
        rotate(seen["agentview_image"]),
        np.array(seen["robot0_eef_pos"]),
        np.array(seen["robot0_eef_quat"]),
        np.array(seen["robot0_gripper_qpos"]),
    )
