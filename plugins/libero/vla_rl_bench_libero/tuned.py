"""The tuned driver: the same states and images as `reference`, ten times cheaper.

- One position and velocity pass per substep (``mj_step1``, controller, ``mj_step2``); robosuite makes three.
- No robosuite observables, which run 25 times a step; a camera renders only on request.
- The simulator exists as long as its worker; a reset restores a `Snapshot`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import mujoco
import numpy as np

from vla_rl_bench.types import ImageArray
from vla_rl_bench_libero import libero_api
from vla_rl_bench_libero.arm import Arm
from vla_rl_bench_libero.pruning import Pruner, can_prune
from vla_rl_bench_libero.simulator import CAMERA, FILM_SIZE, LIBERO_SEED, SETTLE_ACTION, Frame, Vector, rotate
from vla_rl_bench_libero.snapshot import Snapshot
from vla_rl_bench_libero.starts import Starts
from vla_rl_bench_libero.stopwatch import Stopwatch

# robosuite's Observable samples once in 25 substeps; after reset and set_init_state, which both count as an update,
# that is always the last but one, after its mj_step.
OBSERVED_SUBSTEP = 23


class TunedSimulator:
    def __init__(
        self,
        suite: str,
        task: int,
        image_size: int,
        stopwatch: Stopwatch,
        construction: Callable[[int], AbstractContextManager[None]] = lambda size: contextlib.nullcontext(),
        prune: bool = True,
    ) -> None:
        """Build the simulator inside the context `construction`, such as `fast_render.fast_rendering`.

        prune: omit triangles that touch no pixel.
        """
        self._size, self._stopwatch = image_size, stopwatch
        self.starts = Starts(suite, task, self)
        with construction(image_size), libero_api.numpy_seed(LIBERO_SEED), libero_api.quiet():
            self._environment = libero_api.off_screen_environment(
                suite, task, camera_heights=image_size, camera_widths=image_size, use_camera_obs=False,
                hard_reset=False, ignore_done=True,
            )  # fmt: skip
            self.instance: Any = self._environment.env
            # A hard reset appends these drawers' and knobs' initializers again, and each samples before the fixtures.
            self.instance.object_property_initializers *= 2
            np.random.seed(LIBERO_SEED)  # again: construction has used the generator, and users seed before the reset
            self._environment.reset()
        self.base = np.array(self.instance.robots[0].base_pos)
        self._model, self._data = self.instance.sim.model._model, self.instance.sim.data._data
        self._camera = self.instance.sim.model.camera_name2id(CAMERA)
        self._context = self.instance.sim._render_context_offscreen
        self._pruner: Pruner | None = None
        if prune:
            self._context.gl_ctx.make_current()
            self._pruner = (
                Pruner(self._model, self._data, self._context, self._camera) if can_prune(self._model) else None
            )
        self._substeps = int(self.instance.control_timestep / self.instance.model_timestep)
        self._arm = Arm(self.instance.robots[0])
        self._after_reset, self._settled_snapshot = Snapshot(self.instance), Snapshot(self.instance)
        self._settled: tuple[int, int, Frame] | None = None

    def reset(self, index: int, settle: int) -> Frame:
        if self._settled is None or self._settled[:2] != (index, settle):
            frame = self._settle(index, settle)
            self._settled = index, settle, frame
            self._settled_snapshot.save()
            return frame
        self._settled_snapshot.restore()  # all members of a GRPO group begin at this state
        return self._settled[2]

    def _settle(self, index: int, settle: int) -> Frame:
        """Set the init state and take the settling steps."""
        self.set_state(self.starts[index])
        for _ in range(settle - 1):
            self.step(np.array(SETTLE_ACTION), render=False)
        frame = self.step(np.array(SETTLE_ACTION), render=True)[1] if settle else None
        return frame or self._observe()

    def render_state(self, state: Vector) -> Frame:
        """Return the frame of a recorded state ``[1 + nq + nv]`` (time, positions, velocities); ends the episode."""
        if state.shape != (1 + self._model.nq + self._model.nv,):
            raise ValueError(
                f"a state of shape {state.shape}; this task's have {1 + self._model.nq + self._model.nv} numbers"
            )
        self.set_state(state)
        return self._observe()

    def set_state(self, state: Vector) -> None:
        """Set a state as LIBERO's set_init_state does right after a reset."""
        self._after_reset.restore()
        positions = self._model.nq
        self._data.time = state[0]
        self._data.qpos[:] = state[1 : 1 + positions]
        self._data.qvel[:] = state[1 + positions : 1 + positions + self._model.nv]
        mujoco.mj_forward(self._model, self._data)
        self.instance._check_success()
        self.instance._post_process()

    def step(self, action: Vector, render: bool) -> tuple[bool, Frame | None]:
        frame = None
        for substep in range(self._substeps):
            mujoco.mj_step1(self._model, self._data)
            self._arm.actuate(action, new_goal=substep == 0)
            mujoco.mj_step2(self._model, self._data)
            if render and substep == OBSERVED_SUBSTEP:
                frame = self._observe()
        self.instance._post_process()
        return bool(self.instance._check_success()), frame

    def film(self) -> ImageArray:
        return self._render(FILM_SIZE)

    def close(self) -> None:
        self._context.gl_ctx.make_current()
        # Drop all references but the environment's, so that the context is freed while it is current.  Freed under
        # another context it would delete that context's meshes, which have the same numbers.
        del self._pruner, self._context
        self._environment.close()

    def _observe(self) -> Frame:
        return Frame(self._render(self._size), *self._arm.pose())

    def _render(self, size: int) -> ImageArray:
        with self._stopwatch.measure("rendering"):
            self._context.gl_ctx.make_current()  # with several tasks in a process another context may be current
            if self._pruner is not None:
                self._pruner.prepare(size)
            self._context.render(size, size, self._camera)
            return rotate(self._context.read_pixels(size, size))
