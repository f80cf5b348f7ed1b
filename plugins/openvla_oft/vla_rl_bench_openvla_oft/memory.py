"""Text of ``vla-rl-bench show openvla-oft --memory``: memory and time of training a checkpoint.

A plan: bytes and operations counted from sizes.  N is all parameters, n those that are trained, F = N - n (with
adapters F = N, and n are theirs), G the GPUs.  Forwards run in bfloat16 (``strategy.precision: bfloat16``).

=====================  ==================================  ===============================================
bytes a GPU            single                              deepspeed, ZeRO-1 / 2 / 3
=====================  ==================================  ===============================================
weights                w (n + F), w of ``policy.weights``  2 (n + F), with ZeRO-3 over G
weights' casts         2 (n + F) where w = 4: autocast     none
gradients              w n                                 2 n; from ZeRO-2 on over G
masters                none (w = 4: weights are masters)   4 n / G
Adam's two moments     2 w n                               8 n / G
rollout replica        none                                ZeRO-3: 2 (n + F), whole on every GPU
buffers                none                                2 bytes x 5e8, and with ZeRO-3 2 bytes x 1e9 more
a step's temporaries   w n: AdamW's denominators           8 n / G: float32 gradients and the denominators
=====================  ==================================  ===============================================

Adapters are float32: w = 4 for their weights, gradients and moments under single.  ``offload: true`` moves masters,
moments and the step to the host; under single these are 4 n + 8 n, and the float32 gradients 4 n.  Buffers: DeepSpeed's
defaults ``reduce_bucket_size`` and ``stage3_max_live_parameters``, at most n and N.  A step's temporaries and the
activations are never there at once: the larger of the two counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions

STAGES = {"single": 0, "deepspeed-zero1": 1, "deepspeed-zero2": 2, "deepspeed-zero3": 3}
REDUCE_BUCKET = 500_000_000  # elements: DeepSpeed, zero_optimization.reduce_bucket_size
LIVE_PARAMETERS = 1_000_000_000  # DeepSpeed, zero_optimization.stage3_max_live_parameters
GB = 10**9
CARD = 80 * GB  # H100 80 GB; nvidia-smi shows 81559 MiB = 85.5e9 bytes, the rest is for CUDA and fragmentation


@dataclass(frozen=True)
class State:
    """Bytes a GPU that do not depend on the micro-batch, by what they are.

    step: an optimiser step's temporaries.  host: bytes a process in the host's memory.
    """

    parts: tuple[tuple[str, float], ...]
    step: float
    host: float

    @property
    def total(self) -> float:
        """Memory that is allocated all the time."""
        return sum(size for _, size in self.parts)

    def peak(self, activations: float) -> float:
        return self.total + max(activations, self.step)


def state(trained: int, frozen: int, *, gpus: int, stage: int, weights: int, adapters: bool, offload: bool) -> State:
    """The docstring's table.  stage: 0 is `single`.  weights: bytes of a weight in the checkpoint's dtype, 2 or 4."""
    if stage == 0:
        return _single(trained, frozen, weights, adapters, offload)
    over = {part: gpus if stage >= first else 1 for part, first in (("optimiser", 1), ("gradients", 2), ("weights", 3))}
    everything = trained + frozen
    masters, moments = 4 * trained / over["optimiser"], 8 * trained / over["optimiser"]
    buffers = 2 * min(REDUCE_BUCKET, trained) + (2 * min(LIVE_PARAMETERS, everything) if stage == 3 else 0)
    parts = (
        ("weights", 2 * everything / over["weights"]),
        ("gradients", 2 * trained / over["gradients"]),
        ("float32 masters", 0 if offload else masters),
        ("Adam's moments", 0 if offload else moments),
        ("rollout replica", 2 * everything if stage == 3 else 0),
        ("DeepSpeed's buffers", buffers),
    )
    step = 8 * trained / over["optimiser"]
    return State(parts, 0, masters + moments + step / 2) if offload else State(parts, step, 0)


def _single(trained: int, frozen: int, weights: int, adapters: bool, offload: bool) -> State:
    width = 4 if adapters else weights  # adapters are float32
    parts = (
        ("weights", width * trained + weights * frozen),
        ("weights' casts", 2 * (trained + frozen) if weights == 4 else 2 * trained * adapters),
        ("gradients", width * trained),
        ("Adam's moments", 0 if offload else 2 * width * trained),
    )
    return State(parts, 0, 16 * trained) if offload else State(parts, width * trained, 0)


def memory(options: OpenVlaOptions, gpus: int, strategy: str) -> str:
    """The entry point: a checkpoint's plan, or openvla-7b's where `options.checkpoint` is no local folder."""
    if strategy not in STAGES:
        raise UserError(f"--strategy: unknown `{strategy}`.{did_you_mean(strategy, STAGES)}")
    if gpus < 1:
        raise UserError(f"--gpus: must be at least 1, got {gpus}")
    if strategy == "single" and gpus > 1:
        raise UserError(f"--gpus: `single` uses one GPU, not {gpus}. Write --gpus 1, or --strategy deepspeed-zero2")
    from vla_rl_bench_openvla_oft.plan import lines  # torch

    return "\n".join(lines(options, gpus, strategy))


def is_chunked(options: OpenVlaOptions) -> bool:
    """True if all tokens come from one forward."""
    return isinstance(options, OpenVlaOftOptions)
