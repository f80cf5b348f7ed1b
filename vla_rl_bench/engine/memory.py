"""Memory of the update: the largest micro-batch within a budget; the C library's heap."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vla_rl_bench.errors import UserError

GB = 1e9  # bytes, as the cards' makers count them


def largest_microbatch(budget_gb: float, one_chunk: int, two_chunks: int) -> int:
    """Return the largest number of chunks whose activations fit the budget.

    Activations grow linearly with the chunks, beside a fixed part (bfloat16 copies of weights).

    Args:
        one_chunk: Bytes of the activations of one chunk.
        two_chunks: Bytes of the activations of two chunks.
    """
    each = max(two_chunks - one_chunk, 1)
    fixed = max(one_chunk - each, 0)
    chunks = int((budget_gb * GB - fixed) // each)
    if chunks < 1:
        needed = (fixed + each) / GB
        raise UserError(
            f"rl.microbatch_gb: one chunk's activations take {needed:.3g} GB, more than the {budget_gb:g} given. "
            f"Write at least {needed * 1.01:.3g}"
        )
    return chunks


def activation_bytes(device: torch.device, work: Callable[[], object]) -> int:
    """Measure the bytes of activations that `work`, a forward and its backward, needs.

    On a GPU this is the peak of its allocations; on a CPU the tensors that autograd saves between forward and backward,
    without the parameters.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _saved_storages() as storages:
        work()
    return sum(storages.values())


@contextmanager
def _saved_storages() -> Iterator[dict[int, int]]:
    """Count the bytes of the storages that autograd saves in the body, by address, without parameters.

    Counted tensors are kept until the end, so no address is used twice.
    """
    storages: dict[int, int] = {}
    kept_alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and not isinstance(tensor._base, nn.Parameter):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in storages:
                kept_alive.append(tensor.detach())
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield storages


@contextmanager
def preserve_rng_state() -> Iterator[None]:
    """Restore torch's random state after the body, which may draw from it (dropout)."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield


def release_free_memory() -> None:
    """Return free pages of the C library's heap to the system, if it can (glibc).

    Tensors of an update differ in size from one iteration to the next, and glibc keeps blocks of up to 32 MB in its
    heap, which fragments: on the tabletop 117 MB in use took 490 MB after 10 iterations and 580 MB after 50; with
    this after each iteration, 353 MB.  Faulting the pages in again costs the next iteration about 0.03 CPU seconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
