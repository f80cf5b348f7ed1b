"""An environment as a ``gymnasium.Env``, for gymnasium's own checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import FloatArray, Observation, Start


class GymnasiumEnv(gymnasium.Env[dict[str, Any], FloatArray]):
    """A ``gymnasium.Env`` around an environment, with the spaces of its contract.

    Without ``options`` a reset draws a training start of the given tasks, with gymnasium's generator.

    Args:
        environment: The environment; closed with this one.
        tasks: Tasks to draw starts of.
    """

    def __init__(self, environment: EnvironmentBase, tasks: Sequence[int]) -> None:
        self.environment, self.tasks = environment, list(tasks)
        contract = environment.contract
        action = contract.action
        self.action_space = spaces.Box(np.array(action.low, np.float32), np.array(action.high, np.float32))
        images: dict[str, spaces.Space[Any]] = {
            image.name: spaces.Box(0, 255, (image.height, image.width, 3), np.uint8) for image in contract.images
        }
        proprio = spaces.Box(-np.inf, np.inf, (len(contract.proprio),), np.float32)
        self.observation_space = spaces.Dict(images=spaces.Dict(images), proprio=proprio)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        start = Start(int(self.np_random.choice(self.tasks)), self._draw_index())
        observation, info = self.environment.reset(seed=seed, options={"start": start} | (options or {}))
        return _as_dict(observation), info

    def step(self, action: FloatArray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.environment.step(action)
        return _as_dict(observation), reward, terminated, truncated, info

    def close(self) -> None:
        self.environment.close()

    def _draw_index(self) -> int:
        return int(self.np_random.integers(*self.environment.contract.splits["training"]))


def _as_dict(observation: Observation) -> dict[str, Any]:
    """Copy the observation: our environments may return the same memory again, gymnasium's must not."""
    images = {name: image.copy() for name, image in observation.images.items()}
    return {"images": images, "proprio": observation.proprio.copy()}
