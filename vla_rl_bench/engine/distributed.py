"""The processes that share a run.

`SingleProcess` is one process on its own.  ``torchrun`` and the ``deepspeed`` launcher start several and set RANK and
WORLD_SIZE for each; `DistributedRanks` is one of them.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.deprecated import warn_once
from vla_rl_bench.interfaces import Ranks, Strategy

T = TypeVar("T")


def rank_and_world_size() -> tuple[int, int]:
    """Read the rank and the number of processes that the launcher set; (0, 1) without a launcher.  Imports no torch."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


class SingleProcess:
    """`vla_rl_bench.interfaces.Ranks` of a single process."""

    rank, world = 0, 1
    main = True

    def all_gather(self, item: T) -> list[T]:
        return [item]

    def broadcast(self, item: T) -> T:
        return item


class DistributedRanks:
    """`vla_rl_bench.interfaces.Ranks` over ``torch.distributed``, which must be initialized.

    Objects travel pickled, over gloo: between GPUs only tensors would, and these are numbers and rollouts.
    """

    def __init__(self) -> None:
        from torch import distributed

        self._distributed = distributed
        self.rank, self.world = distributed.get_rank(), distributed.get_world_size()
        self._group = None if distributed.get_backend() == "gloo" else distributed.new_group(backend="gloo")

    @property
    def main(self) -> bool:
        return self.rank == 0

    def all_gather(self, item: T) -> list[T]:
        items: list[T | None] = [None] * self.world
        self._distributed.all_gather_object(items, item, group=self._group)
        return items  # type: ignore[return-value]

    def broadcast(self, item: T) -> T:
        box = [item]
        self._distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]


class _OldRanks:
    """`Ranks` of a strategy written for version 0.1, whose methods are ``gather`` and ``agree``."""

    def __init__(self, ranks: Any) -> None:
        self._ranks = ranks
        self.rank, self.world, self.main = ranks.rank, ranks.world, ranks.main

    def all_gather(self, item: T) -> list[T]:
        gathered: list[T] = self._ranks.gather(item)
        return gathered

    def broadcast(self, item: T) -> T:
        first: T = self._ranks.agree(item)
        return first


def ranks_of(strategy: Strategy) -> Ranks:
    """The ranks of a strategy, also if their methods have the names of version 0.1."""
    ranks = strategy.ranks
    if hasattr(ranks, "all_gather"):
        return ranks
    warn_once("Ranks.gather", "Ranks.all_gather")
    warn_once("Ranks.agree", "Ranks.broadcast")
    return _OldRanks(ranks)


def split_microbatches(rows: int, size: int, ranks: Ranks) -> list[NDArray[np.int64]]:
    """Split a mini-batch into this rank's micro-batches: row indices 0..rows-1, at most `size` in one forward.

    Ranks share the rows evenly, and each gets the same number of micro-batches, since under ZeRO all ranks forward
    together.  For an empty micro-batch, forward any row and count nothing.
    """
    largest = -(-rows // ranks.world)
    own_rows = np.array_split(np.arange(rows), ranks.world)[ranks.rank]
    return [own_rows[first : first + size] for first in range(0, max(largest, 1), size)]
