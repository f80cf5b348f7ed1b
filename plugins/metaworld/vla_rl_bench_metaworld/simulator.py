"""The simulator of a Meta-World task: seeded scenes, steps, images."""

from __future__ import annotations

import atexit
import pickle
from typing import Any
from weakref import WeakSet

import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.types import Task
from numpy.typing import NDArray

from vla_rl_bench.types import FloatArray, ImageArray
from vla_rl_bench_metaworld.contract import CAMERA
from vla_rl_bench_metaworld.options import MetaworldOptions

NEAR = (0.75, 0.075, 0.7)  # meters; LeRobot's MetaworldEnv, after MWM (arXiv 2206.14244)
MAX_IMAGE_SIZE = 1024  # pixels, height and width
_OPEN: WeakSet[Simulator] = WeakSet()


@atexit.register  # runs before MuJoCo's own, which ends EGL: contexts must be closed before
def _close_all() -> None:
    for simulator in list(_OPEN):
        simulator.close()


class Simulator:
    """Meta-World's own environment of a task; the state includes the goal, which its experts need."""

    def __init__(self, name: str, options: MetaworldOptions) -> None:
        environment_class = ALL_V3_ENVIRONMENTS[name]
        self._env: Any = environment_class()
        settings = {"env_cls": environment_class, "rand_vec": None, "partially_observable": False}
        self._env.set_task(Task(env_name=name, data=pickle.dumps(settings)))
        # Meta-World's seeded generator samples the scene at each reset, instead of a stored vector
        self._env._freeze_rand_vec, self._env.seeded_rand_vec = False, True
        self._fast = options.rendering == "fast"
        self._prepare_rendering(options)
        self._renderers: dict[int, mujoco.Renderer] = {}
        _OPEN.add(self)

    def _prepare_rendering(self, options: MetaworldOptions) -> None:
        model = self._env.model
        if options.camera == "corner2-near":
            model.camera(CAMERA).pos = NEAR
        model.vis.global_.offwidth = model.vis.global_.offheight = MAX_IMAGE_SIZE if options.image_size > 480 else 480
        if self._fast:
            model.vis.quality.offsamples = model.vis.quality.shadowsize = 0

    def reset(self, index: int) -> NDArray[np.float64]:
        """Reset to the scene that Meta-World samples from seed `index`; return its 39 numbers."""
        self._env.seed(index)
        state, _ = self._env.reset()
        return np.array(state)

    def step(self, action: FloatArray) -> tuple[NDArray[np.float64], bool]:
        """Take an action float32 [4]; return the 39 numbers and the success of this step."""
        state, _, _, _, info = self._env.step(np.clip(action.astype(np.float64), -1, 1))
        return state, bool(info["success"])

    def render(self, size: int) -> ImageArray:
        """Render the scene, uint8 [size, size, 3], rotated upright, since the camera is mounted upside down."""
        renderer = self._renderers.get(size)
        if renderer is None:
            renderer = self._renderers[size] = mujoco.Renderer(self._env.model, size, size)
            if self._fast:
                for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                    renderer.scene.flags[flag] = 0
        renderer.update_scene(self._env.data, camera=CAMERA)
        image: ImageArray = renderer.render()
        return np.ascontiguousarray(image[::-1, ::-1])

    def close(self) -> None:
        """Free the render contexts.  May be called twice."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
        self._env.close()
