"""The embedded environment and policy, in pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.rollout.pool import InProcessPool, ProcessPool

TABLETOP = EnvironmentEntry(
    "tabletop", "", "vla_rl_bench.builtin.tabletop.environment:make", ("object",), TabletopOptions, batched=True
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def in_process() -> Callable[..., InProcessPool]:
    """A pool of the tabletop in this process; ``rows=1`` forwards observations one by one."""

    def build(slots: int, rows: int | None = None) -> InProcessPool:
        pool = InProcessPool(make_tabletop("object", TabletopOptions(), slots))
        pool.forward_rows = rows
        return pool

    return build


@pytest.fixture
def processes() -> Iterator[Callable[..., ProcessPool]]:
    """Pools of the tabletop in worker processes, closed at the end."""
    pools: list[ProcessPool] = []

    def build(workers: int, **how: Any) -> ProcessPool:
        pools.append(ProcessPool(TABLETOP, "object", TabletopOptions(), workers, **how))
        return pools[-1]

    yield build
    for pool in pools:
        pool.close()


@pytest.fixture
def policy(in_process: Callable[..., InProcessPool]) -> Any:
    return make_policy(in_process(1).contract, NanoOptions(), 0).eval()
