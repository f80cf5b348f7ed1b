"""How many chunks one forward of the update may take, from a memory budget: measured on one and on two chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vla_rl_bench.errors import UserError

GB = 1e9  # bytes, as the cards' makers count them


def fitting(budget_gb: float, of_one: int, of_two: int) -> int:
    """The most chunks whose activations fit.  of_one, of_two: bytes of a micro-batch of one and of two chunks.

    Activations grow linearly in the chunks, beside a part that is there for any number (bfloat16 copies of weights).
    """
    each = max(of_two - of_one, 1)
    fixed = max(of_one - each, 0)
    found = int((budget_gb * GB - fixed) // each)
    if found < 1:
        needed = (fixed + each) / GB
        raise UserError(
            f"rl.microbatch_gb: one chunk's activations take {needed:.3g} GB, and {budget_gb:g} were given. "
            f"Write at least {needed * 1.01:.3g}"
        )
    return found


def activation_bytes(device: torch.device, work: Callable[[], object]) -> int:
    """What `work`, a forward and its backward, needs beside what is there already.

    On a GPU the peak of what it allocates; elsewhere what autograd saves between forward and backward, without the
    parameters.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _saved() as storages:
        work()
    return sum(storages.values())


@contextmanager
def _saved() -> Iterator[dict[int, int]]:
    """Storages that autograd saves within: address -> bytes; each counted once, parameters not at all.

    What is counted is held until the end, so that no address is used twice.
    """
    found: dict[int, int] = {}
    held: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and not isinstance(tensor._base, nn.Parameter):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in found:
                held.append(tensor.detach())
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


@contextmanager
def preserve_rng_state() -> Iterator[None]:
    """What is drawn within (dropout) does not move torch's random streams."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield
