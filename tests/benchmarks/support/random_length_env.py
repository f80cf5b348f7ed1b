"""A wrapper that ends a simulator's episodes at random: an untrained policy never finishes one.

Without it every schedule would look alike.  Runs in a worker: standard library, NumPy and the simulator's plugin only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.benchmarks.support.constant_cost_env import last_chunk
from vla_rl_bench.entries import load
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import ChunkResult, EnvironmentSpec, FloatArray, Observation, Start

MAKE = "tests.benchmarks.support.random_length_env:make"


@dataclass(frozen=True)
class RandomLengthOptions:
    """The wrapped environment and its lengths."""

    make: str  # "module:function" of the environment
    options: Any  # of the environment
    chunks: int  # of the longest episode
    fresh: bool = False  # the simulator is built anew for each episode


def make(suite: str, options: RandomLengthOptions, slots: int = 1) -> RandomLengthEnv:
    """Build the environment; slots is 1, as for every environment that is not batched."""
    return RandomLengthEnv(partial(load(options.make), suite, options.options, 1), options.chunks, fresh=options.fresh)


class RandomLengthEnv(EnvironmentBase):
    """Environment whose number of chunks is uniform over 1 to `chunks`, derived from start and first actions.

    Episodes with an odd number of chunks succeed.
    """

    def __init__(self, build: Callable[[], Any], chunks: int, *, fresh: bool) -> None:
        self._build, self._chunks, self._fresh = build, chunks, fresh
        self._environment: EnvironmentBase = build()
        self.contract: EnvironmentSpec = self._environment.contract
        self._start, self._taken, self._end = Start(0, 0), 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        if self._fresh:
            self._environment.close()
            self._environment = self._build()
        self._start, self._taken, self._end = (options or {})["start"], 0, 0
        return self._environment.reset(options=options)

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        if self._taken == 0:
            self._end = 1 + last_chunk(self._start, actions, self._chunks)
        self._taken += 1
        result = self._environment.step_chunk(actions)
        if self._taken < self._end and not result.done:
            return result
        return ChunkResult(None, result.steps, self._end % 2 == 1, True)

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        raise NotImplementedError("it is stepped by the chunk")

    def close(self) -> None:
        self._environment.close()
