"""Speed and memory of a randomly initialized OpenVLA-OFT: inference, a GRPO mini-batch, and utilization of the device.

No checkpoint is needed.  The size is `tiny`, or VLA_RL_BENCH_OFT_SIZE; the device is the GPU if there is one:

    VLA_RL_BENCH_OFT_SIZE=7b pytest plugins/openvla_oft/tests/test_speed.py \\
        --benchmark-enable --benchmark-json results/gpu/NAME.json

Utilization is the model's matrix products over the time, against the measured rate of a large bfloat16 matrix product
on the same device.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from plugins.openvla_oft.tests.random_model import (
    INFERENCE,
    INPUT,
    TRAININGS,
    RandomPolicy,
    Training,
    config_of,
    random_inputs,
)
from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.algorithms.sampling import sample_tokens, token_logprobs
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.types import ClipRange
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.options import LoraOptions
from vla_rl_bench_openvla_oft.plan import ADAPTER_BACKWARD, FULL_BACKWARD
from vla_rl_bench_openvla_oft.sizes import sizes

SIZE = os.environ.get("VLA_RL_BENCH_OFT_SIZE", "tiny")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CPU = torch.device("cpu")
CHUNKS, MICRO_BATCH = (4, 2) if SIZE == "tiny" else (128, 16)
ROUNDS = 2 if SIZE == "tiny" else 10
TEMPERATURE, CLIP = 1.6, ClipRange(0.2, 0.28)  # SimpleVLA-RL
HOST_BYTES = 16  # for each trained parameter, with offload: see `memory`


@pytest.fixture(autouse=True)
def _free_memory() -> Iterator[None]:
    yield
    if DEVICE.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


@pytest.fixture(scope="module")
def product_rate() -> float:
    """Operations per second of a square bfloat16 matrix product."""
    side = 8192 if DEVICE.type == "cuda" else 256
    left, right = (torch.randn(side, side, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(3 + ROUNDS):
        synchronize()
        started = time.perf_counter()
        left @ right
        synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(seconds[3:])


@pytest.mark.parametrize("batch", [1, 8, 32, 64])
def test_inference(batch: int, product_rate: float, timed: Any) -> None:
    """From uint8 images on the device to sampled tokens."""
    config = config_of(SIZE)
    policy = RandomPolicy(config, INFERENCE, DEVICE).eval()
    inputs = random_inputs(config, batch, DEVICE)
    uniforms = torch.rand(batch, INPUT.tokens, device=DEVICE)

    @torch.inference_mode()
    def sample() -> None:
        sample_tokens(policy(inputs), uniforms, TEMPERATURE)

    run(timed, sample, product_rate, operations=batch * sizes(config, None, INPUT).forward.operations, chunks=batch)


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.name)
def test_minibatch(training: Training, product_rate: float, timed: Any) -> None:
    """Forwards, backwards and a step of AdamW with gradient checkpointing; recomputed products do not count."""
    config = config_of(SIZE)
    skip_if_host_memory_is_too_small(config, training)
    backward = ADAPTER_BACKWARD if training.rank else FULL_BACKWARD
    adapters = LoraOptions(rank=training.rank) if training.rank else None
    operations = CHUNKS * (1 + backward) * sizes(config, adapters, INPUT).forward.operations
    try:
        policy, update = minibatch(config, training, DEVICE, chunks=CHUNKS, micro_batch=MICRO_BATCH)
        run(timed, update, product_rate, operations=operations, chunks=CHUNKS)
    except torch.cuda.OutOfMemoryError as error:
        pytest.skip(str(error).split(". ")[0])
    timed.extra_info |= {"trained_parameters": trained_parameters(policy), "micro_batch": MICRO_BATCH}


def run(timed: Any, work: Callable[[], object], product_rate: float, *, operations: int, chunks: int) -> None:
    """Time `work` with the device synchronized before and after, and record rate, memory and utilization."""

    def synchronized() -> None:
        work()
        synchronize()

    work()
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats(DEVICE)
    timed.pedantic(synchronized, setup=synchronize, rounds=ROUNDS, warmup_rounds=1)
    timed.extra_info |= {
        "size": SIZE,
        "device": torch.cuda.get_device_name(DEVICE) if DEVICE.type == "cuda" else "cpu",
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "peft")},
        "chunks_per_second": chunks / timed.stats.stats.median,
        "peak_bytes": torch.cuda.max_memory_allocated(DEVICE) if DEVICE.type == "cuda" else None,
        "product_operations_per_second": product_rate,
        "utilization": operations / timed.stats.stats.median / product_rate,
    }


def synchronize() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize(DEVICE)


def minibatch(
    config: OpenVlaConfig, training: Training, device: torch.device, *, chunks: int, micro_batch: int
) -> tuple[RandomPolicy, Callable[[], None]]:
    """Build a policy and the update of one GRPO mini-batch by the strategy `single`."""
    strategy = Single(SingleOptions(device=str(device), precision="bfloat16", offload=training.offload))
    policy = RandomPolicy(config, training, device)
    policy.model.activation_checkpointing_enable({"use_reentrant": False})
    trainer = strategy.prepare(policy)
    inputs = random_inputs(config, micro_batch, device)
    tokens = torch.randint(0, BINS, (micro_batch, INPUT.tokens), device=device)
    advantages = torch.randn(micro_batch, 1, device=device).expand(-1, INPUT.tokens)

    def update() -> None:
        for number in range(chunks // micro_batch):
            logprobs = token_logprobs(trainer.forward(inputs), tokens, TEMPERATURE)
            loss = -clipped(logprobs, logprobs.detach(), advantages, CLIP).mean() * micro_batch / chunks
            trainer.backward(loss, last=number == chunks // micro_batch - 1)
        trainer.step(5e-6, 1.0)  # SimpleVLA-RL's learning rate and clip

    return policy, update


def trained_parameters(policy: RandomPolicy) -> int:
    return sum(parameter.numel() for parameter in policy.parameters() if parameter.requires_grad)


def skip_if_host_memory_is_too_small(config: OpenVlaConfig, training: Training) -> None:
    needed = HOST_BYTES * sizes(config, None).trained if training.offload else 0
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    if available and needed > available[0]:
        pytest.skip(f"needs {needed / 1e9:.0f} GB of host memory")


# -- quick tests of the work itself, not timed


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.name)
def test_every_minibatch_trains(training: Training) -> None:
    policy, update = minibatch(config_of("tiny"), training, CPU, chunks=2, micro_batch=1)
    before = [parameter.detach().clone() for parameter in policy.parameters() if parameter.requires_grad]
    update()
    after = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert (trained_parameters(policy) < 200_000) == (training.rank > 0)


def test_random_policy_has_its_dtype_and_answers() -> None:
    policy = RandomPolicy(config_of("tiny"), INFERENCE, CPU)
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.bfloat16}
    assert torch.get_default_dtype() == torch.float32
    with torch.no_grad():
        logits = policy(random_inputs(policy.model.config, 2, CPU))
    assert logits.shape == (2, 56, 256)
    assert logits.isfinite().all()
    assert logits.std() > 0
    parameters = sum(parameter.numel() for parameter in policy.parameters())
    assert parameters == sizes(config_of("tiny"), None).parameters
