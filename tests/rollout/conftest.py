"""The embedded environment and policy, in pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import PolicyBase
from vla_rl_bench.rollout.pool import InProcessPool, ProcessPool

TABLETOP = EnvironmentEntry(
    "tabletop", "", "vla_rl_bench.builtin.tabletop.environment:make", ("object",), TabletopOptions, batched=True
)


class WrappedPolicy(PolicyBase):
    """A policy that computes its logits from those of another."""

    def __init__(self, policy: Any) -> None:
        self.chunk, self.action_dim, self.bins = policy.chunk, policy.action_dim, policy.bins
        self.collate, self.normalize, self.unnormalize = policy.collate, policy.normalize, policy.unnormalize
        self.policy = policy


class RowByRow(WrappedPolicy):
    """A policy that forwards the rows of a batch one by one.

    On any processor its rows have the same bits in any batch; a matrix product promises that on none.
    """

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        rows = len(next(iter(inputs.values())))
        return torch.cat(
            [self.policy({name: value[row : row + 1] for name, value in inputs.items()}) for row in range(rows)]
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
