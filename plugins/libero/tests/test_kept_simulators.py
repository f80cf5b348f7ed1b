"""Tests of the limit on the simulators that a process keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vla_rl_bench.types import Start
from vla_rl_bench_libero.options import LiberoOptions

pytestmark = pytest.mark.sim


class Built:
    """A stand-in for a simulator of 1 GB; only opening and closing are tested."""

    def __init__(self, task: int, closed: list[int]) -> None:
        self.task, self._closed = task, closed

    def close(self) -> None:
        self._closed.append(self.task)


def test_simulator_least_recently_used_is_closed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from vla_rl_bench_libero import environment

    closed: list[int] = []
    monkeypatch.setattr(environment, "_build", lambda suite, task, options, stopwatch: Built(task, closed))
    libero: Any = environment.make("libero_90", LiberoOptions(rendering="fast", simulators=3))
    first = libero.simulator(0)
    libero.simulator(1), libero.simulator(2)
    assert libero.simulator(0) is first and not closed
    libero.simulator(3)
    assert closed == [1]
    libero.simulator(89)
    assert closed == [1, 2]
    assert libero.simulator(0) is first
    libero.close()
    assert sorted(closed) == [0, 1, 2, 3, 89]


@pytest.mark.slow
def test_simulator_built_again_gives_the_same_episode() -> None:
    from vla_rl_bench_libero.environment import make

    environment: Any = make("libero_object", LiberoOptions(rendering="fast", simulators=1))
    moves = np.random.default_rng(0).uniform(-1, 1, (6, 7)).astype(np.float32)

    def play(task: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        before, _ = environment.reset(options={"start": Start(task, 33)})
        after = environment.step_chunk(moves).observation
        return before.images["agentview"], after.images["agentview"], after.proprio

    first, task_6, again = play(3), play(6), play(3)
    environment.close()
    assert all(np.array_equal(array, repeated) for array, repeated in zip(first, again, strict=True))
    assert not np.array_equal(first[0], task_6[0])
