"""Meta-World's scripted experts, with noise on the executed actions."""

from __future__ import annotations

import warnings

import numpy as np
from metaworld.policies import ENV_POLICY_MAP
from numpy.typing import NDArray

from vla_rl_bench.types import FloatArray, Start


class Expert:
    """The expert of an episode.  noise: standard deviation, action units; it depends on `seed` and `start` only."""

    def __init__(self, name: str, noise: float, start: Start, seed: int) -> None:
        self._policy = ENV_POLICY_MAP[name]()
        self._noise = noise
        self._rng = np.random.default_rng([seed, start.task, start.index])

    def act(self, state: NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        """Return the label and the executed action, float32 [4], for Meta-World's 39 numbers."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about actions above 1, which are clipped
            label = np.clip(self._policy.get_action(state), -1, 1).astype(np.float32)
        action = label.copy()
        action[:3] += self._noise * self._rng.standard_normal(3)  # no noise on the gripper's effort
        return label, np.clip(action, -1, 1).astype(np.float32)
