"""The reference driver: LIBERO's unmodified OffScreenRenderEnv: hard resets, all observables, two cameras per step.

A start is the state of a new OffScreenRenderEnv after ``seed(0); reset(); set_init_state(state)``, as in SimpleVLA-RL's
workers.  (A second reset of the same environment gives other fixture poses: its list of initializers has grown.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_rl_bench.types import ImageArray
from vla_rl_bench_libero import libero_api
from vla_rl_bench_libero.simulator import CAMERA, FILM_SIZE, LIBERO_SEED, SETTLE_ACTION, Frame, Vector, rotate
from vla_rl_bench_libero.stopwatch import Stopwatch


class ReferenceSimulator:
    """LIBERO's own environment (0.12 s a step, 4 s a reset), to verify the tuned driver."""

    def __init__(self, suite: str, task: int, image_size: int, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._states = libero_api.init_states(suite, task)
        self._environment = libero_api.off_screen_environment(
            suite, task, camera_heights=image_size, camera_widths=image_size
        )
        self.instance: Any = self._environment.env
        self._initializers = len(self.instance.object_property_initializers)
        self.base = np.array(self.instance.robots[0].base_pos)

    def reset(self, index: int, settle: int) -> Frame:
        self._make_current()
        del self.instance.object_property_initializers[self._initializers :]
        with libero_api.numpy_seed(LIBERO_SEED), libero_api.quiet():
            self._environment.reset()
        observation = self._environment.set_init_state(self._states[index])
        for _ in range(settle):
            observation = self._environment.step(list(SETTLE_ACTION))[0]
        return _frame(observation)

    def step(self, action: Vector, render: bool) -> tuple[bool, Frame | None]:
        self._make_current()
        observation, _, done, _ = self._environment.step(np.asarray(action, np.float64).tolist())
        return bool(done), _frame(observation) if render else None

    def film(self) -> ImageArray:
        self._make_current()
        with self._stopwatch.measure("rendering"):
            return rotate(self._environment.sim.render(FILM_SIZE, FILM_SIZE, camera_name=CAMERA))

    def close(self) -> None:
        self._make_current()
        self._environment.close()

    def _make_current(self) -> None:
        """Make this task's GL context current: all GL calls, also those that free memory, go to the current one."""
        self._environment.sim._render_context_offscreen.gl_ctx.make_current()


def _frame(observation: dict[str, Any]) -> Frame:
    return Frame(
        rotate(observation["agentview_image"]),
        np.array(observation["robot0_eef_pos"]),
        np.array(observation["robot0_eef_quat"]),
        np.array(observation["robot0_gripper_qpos"]),
    )
