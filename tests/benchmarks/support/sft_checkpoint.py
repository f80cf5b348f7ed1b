"""The policy that the quickstart's RL begins with: the built-in one, fine-tuned on one demonstration per task."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.support.settings import nano, trainer
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import SftConfig
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.sft import Windows, fine_tune
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.rollout.pool import Pool

SFT = SftConfig(steps=400, batch_size=32, learning_rate=1e-3)  # suites/quickstart.yaml, seed 0


def fine_tuned(catalog: Catalog, pool: Pool) -> TokenPolicy:
    """Fine-tune the built-in policy, in about ten CPU seconds.

    Without it almost no episode succeeds, and none is shorter than its limit.
    """
    policy = nano(catalog, pool.contract, weights="tabletop")
    start_range, tasks = pool.contract.splits["demonstration"], range(len(pool.contract.tasks))
    windows = Windows(demonstrations.collect(pool, start_range, tasks, 1, 0), pool.contract, policy)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sft.checkpoint.pt"
        fine_tune(trainer(catalog, policy), windows, SFT, 0, SingleProcess(), path, lambda done, total: None)
    return policy
