"""An environment whose steps cost what they are told to, in arithmetic.  Standard library and NumPy only.

It never sleeps: a sleeping worker leaves its core to others, and every schedule looks good.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

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
class FakeOptions:
    """work: matrix products of `burn` a chunk.  limit: steps an episode may take."""

    work: int
    limit: int


def make(suite: str, options: FakeOptions, slots: int = 1) -> FakeEnvironment:
    """The entry point; slots is 1, as for every environment that is not batched."""
    return FakeEnvironment(options)


def burn(products: int) -> float:
    """Real arithmetic, some 20 microseconds a product."""
    matrix = np.full((64, 64), 1 / 64, np.float32)
    found = matrix
    for _ in range(products):
        found = found @ matrix
    return float(found[0, 0])


class FakeEnvironment:
    """Ends after a number of chunks drawn from the start and the first actions, uniform over 1 to the limit."""

    def __init__(self, options: FakeOptions) -> None:
        self.options = options
        self.contract = EnvironmentSpec(
            name="fake",
            suite="fake",
            protocol="fake-1",
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
        return self._seen(), {}

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        burn(self.options.work)
        chunks = self.options.limit // CHUNK
        if self._taken == 0:
            self._end = 1 + last_chunk(self._start, actions, chunks)
        self._taken += 1
        done = self._taken == self._end
        return ChunkResult(None if done else self._seen(), len(actions), done and self._end < chunks, done)

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        raise NotImplementedError("it is stepped by the chunk")

    def close(self) -> None:
        """Nothing is held."""

    def _seen(self) -> Observation:
        shade = (self._start.index * 31 + self._taken * 7) % 256
        image = np.full((SIDE, SIDE, 3), shade, np.uint8)
        return Observation({"top": image}, np.array([self._taken], np.float32))


def last_chunk(start: Start, actions: FloatArray, chunks: int) -> int:
    """0 to chunks - 1, by chance but the same for the same start and first actions."""
    key = [start.task, start.index, zlib.crc32(np.ascontiguousarray(actions, np.float32).tobytes())]
    return int(np.random.default_rng(key).integers(chunks))
