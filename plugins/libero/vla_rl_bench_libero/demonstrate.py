"""Demonstrations: the expert's clean actions as labels, noise on what is executed (DART, arXiv 1703.09327)."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from vla_rl_bench.types import Demonstration, Observation, Start
from vla_rl_bench_libero.experts.expert import Expert, missing_skill
from vla_rl_bench_libero.simulator import Vector

if TYPE_CHECKING:
    from vla_rl_bench_libero.environment import LiberoEnvironment

_log = logging.getLogger(__name__)

_AUTOCORRELATION = 0.7  # AR(1): a disturbance lasts about three steps, and the expert has to recover from it
_DIMENSION_SCALE = np.array([1.0, 1.0, 1.0, 0.2, 0.2, 0.2])  # smaller for rotations


def demonstrate(environment: LiberoEnvironment, start: Start, seed: int) -> Demonstration | None:
    """Play one episode; None if the expert does not succeed within the step limit, or the task has no expert."""
    observation, _ = environment.reset(options={"start": start})
    if unsupported := missing_skill(environment.active.instance):
        _warn_once(environment.contract.suite, start.task, environment.contract.tasks[start.task].name, unsupported)
        return None
    expert = Expert(environment.active.instance)
    noise = Noise(environment.options.expert_noise, np.random.default_rng([seed, start.task, start.index]))
    observations: list[Observation] = []
    labels: list[Vector] = []
    success = truncated = False
    while not (success or truncated):
        command = expert.act()
        observations.append(observation)
        labels.append(command.action)
        executed = command.action if command.steady else noise.add(command.action)
        observation, _, success, truncated, _ = environment.step(executed.astype(np.float32))
    return Demonstration(start, Observation.stack(observations), np.array(labels, np.float32)) if success else None


@cache
def _warn_once(suite: str, task: int, name: str, unsupported: str) -> None:
    _log.warning("%s task %d (%s): no expert: there is no skill for %s", suite, task, name, unsupported)


class Noise:
    """First-order autoregressive noise on the six motion dimensions."""

    def __init__(self, deviation: float, rng: np.random.Generator) -> None:
        self._deviation, self._rng, self._state = deviation, rng, np.zeros(6)

    def add(self, action: Vector) -> Vector:
        """Add noise to an action ``[7]``, and clip to [-1, 1]."""
        noise = self._rng.normal(0.0, 1.0, 6) * self._deviation * _DIMENSION_SCALE
        self._state = _AUTOCORRELATION * self._state + noise
        return np.append(np.clip(action[:6] + self._state, -1.0, 1.0), action[6])
