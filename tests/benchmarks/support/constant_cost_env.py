"""An environment whose steps cost a chosen amount of arithmetic.  Standard library and NumPy only, for workers.

It never sleeps: a sleeping worker leaves its core to the others, and every schedule looks good.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import (
    ActionSpec,
    ChunkResult,
    EnvironmentSpec,
    FloatArray,
    ImageSpec,
    Observation,
    Start,
    TaskSpec,
)

CHUNK, SIDE = 8, 16  # actions; pixels


@dataclass(frozen=True)
class ConstantCostOptions:
    """Cost and length of episodes."""

    products: int  # matrix products of `burn` in a chunk
    limit: int  # steps of the longest episode


CONSTANT_COST = EnvironmentEntry(
    name="constant-cost",
    summary="steps that cost a chosen amount of arithmetic",
    make="tests.benchmarks.support.constant_cost_env:make",
    suites=("constant-cost",),
    options=ConstantCostOptions,
)


def make(suite: str, options: ConstantCostOptions, slots: int = 1) -> ConstantCostEnv:
    """Build the environment; slots is 1, as for every environment that is not batched."""
    return ConstantCostEnv(options)


def burn(products: int) -> float:
    """Multiply matrices, about 20 microseconds for each product."""
    matrix = np.full((64, 64), 1 / 64, np.float32)
    product = matrix
    for _ in range(products):
        product = product @ matrix
    return float(product[0, 0])


class ConstantCostEnv(EnvironmentBase):
    """Environment whose number of chunks is uniform over 1 to the limit, derived from start and first actions."""

    def __init__(self, options: ConstantCostOptions) -> None:
        self.options = options
        self.contract = EnvironmentSpec(
            name="constant-cost",
            suite="constant-cost",
            protocol="constant-cost-1",
            tasks=(TaskSpec("wait", "wait", options.limit),),
            images=(ImageSpec("top", SIDE, SIDE),),
            proprio=("chunks taken",),
            action=ActionSpec(("x", "y"), (-1.0, -1.0), (1.0, 1.0), (0.0, 0.0)),
            splits={"demonstration": (0, 1), "training": (1, 10_000), "held-out": (10_000, 10_001)},
        )
        self._start, self._taken, self._end = Start(0, 0), 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        self._start, self._taken, self._end = (options or {})["start"], 0, 0
        return self._observation(), {}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        burn(self.options.products)
        chunks = self.options.limit // CHUNK
        if self._taken == 0:
            self._end = 1 + last_chunk(self._start, actions, chunks)
        self._taken += 1
        done = self._taken == self._end
        return ChunkResult(None if done else self._observation(), len(actions), done and self._end < chunks, done)

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        raise NotImplementedError("it is stepped by the chunk")

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _observation(self) -> Observation:
        shade = (self._start.index * 31 + self._taken * 7) % 256
        image = np.full((SIDE, SIDE, 3), shade, np.uint8)
        return Observation({"top": image}, np.array([self._taken], np.float32))


def last_chunk(start: Start, actions: FloatArray, chunks: int) -> int:
    """Draw 0 to chunks - 1 at random, but the same for the same start and first actions."""
    key = [start.task, start.index, zlib.crc32(np.ascontiguousarray(actions, np.float32).tobytes())]
    return int(np.random.default_rng(key).integers(chunks))
