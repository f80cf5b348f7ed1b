"""Where the quickstart's RL begins: the built-in policy after its fine-tuning on one demonstration a task."""

from __future__ import annotations

import tempfile
from pathlib import Path

from vla_rl_bench.bench.setting import nano, trainer
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import SftConfig
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.sft import Windows, fine_tune
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.rollout.pool import Pool

SFT = SftConfig(steps=400, batch_size=32, learning_rate=1e-3)  # suites/quickstart.yaml, seed 0


def fine_tuned(catalog: Catalog, pool: Pool) -> TokenPolicy:
    """About ten CPU seconds.  Without it next to no episode succeeds, and none is shorter than its limit."""
    policy = nano(catalog, pool.contract, weights="tabletop")
    bounds, tasks = pool.contract.splits["demonstration"], range(len(pool.contract.tasks))
    windows = Windows(demonstrations.collect(pool, bounds, tasks, 1, 0), pool.contract, policy)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sft.checkpoint.pt"
        fine_tune(trainer(catalog, policy), windows, SFT, 0, SingleProcess(), path, lambda done, total: None)
    return policy
