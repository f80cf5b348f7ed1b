"""Regression test: the demonstrations of suites/libero/object_nano.yaml are those of its results, up to rounding.

Under another instruction set of NumPy and OpenBLAS the actions, in [-1, 1], differ by up to 0.002 (measured).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vla_rl_bench_libero.options import SPLITS, LiberoOptions

pytestmark = [pytest.mark.sim, pytest.mark.slow]

# float16 actions ``[steps, 7]`` by the suite's seed and the task, by the revision before skills were introduced
ACTIONS = Path(__file__).parent / "data" / "demonstrated_actions.npz"
START_INDICES = {(0, 3): 7, (0, 8): 1, (1, 3): 3, (1, 8): 6}  # of the first demonstration by seed and task


@pytest.fixture(scope="module")
def pool() -> Any:
    from vla_rl_bench.rollout.pool import InProcessPool
    from vla_rl_bench.rollout.worker import SlotEnvironments
    from vla_rl_bench_libero.environment import make

    environment: Any = make("libero_object", LiberoOptions(rendering="fast", step_limit=160))
    yield InProcessPool(SlotEnvironments(lambda: environment, 1))
    environment.close()


@pytest.mark.parametrize(("seed", "task"), START_INDICES)
def test_demonstration_is_unchanged(pool: Any, seed: int, task: int) -> None:
    from vla_rl_bench.engine.demonstrations import collect

    (demonstration,) = collect(pool, SPLITS["demonstration"], (task,), 1, seed)
    with np.load(ACTIONS) as recorded:
        expected = recorded[f"seed{seed}_task{task}"].astype(np.float32)
    assert demonstration.start.index == START_INDICES[seed, task]
    assert abs(len(demonstration.actions) - len(expected)) <= 1  # rounding may end an episode a step later
    steps = min(len(demonstration.actions), len(expected)) - 1
    np.testing.assert_allclose(demonstration.actions[:steps], expected[:steps], atol=0.02)
