"""Regression test: the demonstrations of suites/libero/object_nano.yaml equal those of its results."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from vla_rl_bench_libero.options import SPLITS, LiberoOptions

pytestmark = [pytest.mark.sim, pytest.mark.slow]

# By seed of the suite and task: the first demonstration's start, its length, the beginning of its actions' SHA-256.
# With the versions of constraints.txt on x86-64, by the revision before skills were introduced.
EXPECTED = {
    (0, 3): (7, 128, "590c0838be399b5d"),
    (0, 8): (1, 124, "5402e9b6d69858d3"),
    (1, 3): (3, 123, "f8995b075c026034"),
    (1, 8): (6, 123, "f0433fca086ba910"),
}


@pytest.fixture(scope="module")
def pool() -> Any:
    from vla_rl_bench.rollout.pool import InProcessPool
    from vla_rl_bench.rollout.worker import SlotEnvironments
    from vla_rl_bench_libero.environment import make

    environment: Any = make("libero_object", LiberoOptions(rendering="fast", step_limit=160))
    yield InProcessPool(SlotEnvironments(lambda: environment, 1))
    environment.close()


@pytest.mark.parametrize(("seed", "task"), EXPECTED)
def test_demonstration_is_unchanged(pool: Any, seed: int, task: int) -> None:
    from vla_rl_bench.engine.demonstrations import collect

    (demonstration,) = collect(pool, SPLITS["demonstration"], (task,), 1, seed)
    digest = hashlib.sha256(demonstration.actions.tobytes()).hexdigest()
    assert (demonstration.start.index, len(demonstration.actions), digest[:16]) == EXPECTED[seed, task]
