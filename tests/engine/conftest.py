"""The embedded environment and policy, and a hand-made recipe."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.rollout.pool import InProcessPool


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def pool() -> InProcessPool:
    return InProcessPool(make_tabletop("object", TabletopOptions(), 16))


@pytest.fixture
def policy(pool: InProcessPool) -> Any:
    return make_policy(pool.contract, NanoOptions(), 0).eval()


def recipe(**changes: Any) -> RlConfig:
    given: dict[str, Any] = {
        "iterations": 3,
        "groups": 2,
        "group_size": 4,
        "minibatch": 4,
        "learning_rate": 1e-3,
        "advantage": "grpo",
        "objective": "clipped",
        "aggregate": "trajectory-mean",
    }
    return RlConfig(**(given | changes))
