"""Bytes of the tensors that an operation makes, at the moment when most of them live."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(work: Callable[[], object]) -> int:
    """The most that was alive at one time during the call, its result included, above what was there before.

    Counted from tensors' own storages as they come and go; what an operator allocates inside itself is not seen.
    """
    watch = _Watch()
    with watch:
        kept = work()  # lives until the end: what is returned counts
    del kept
    return watch.most


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.most = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = {one.untyped_storage().data_ptr() for one in _tensors((args, kwargs))}
        made = func(*args, **(kwargs or {}))
        for one in _tensors(made):
            storage = one.untyped_storage()
            if storage.data_ptr() not in before:  # else a view, or written in place
                self._count(storage.nbytes())
                weakref.finalize(storage, self._count, -storage.nbytes())
        return made

    def _count(self, change: int) -> None:
        self.alive += change
        self.most = max(self.most, self.alive)


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
