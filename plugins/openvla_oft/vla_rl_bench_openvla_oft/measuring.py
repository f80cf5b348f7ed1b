"""Speed and memory of a randomly drawn model: a stopwatch, the card's own rate, inference, and a GRPO mini-batch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.algorithms.sampling import sample_tokens, token_logprobs
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.types import ClipRange, FloatArray, Observation
from vla_rl_bench_openvla_oft import flops, images, lora
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.flops import Question
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import LoraOptions
from vla_rl_bench_openvla_oft.processor import ROUNDED

TEMPERATURE, CLIP = 1.6, ClipRange(0.2, 0.28)  # SimpleVLA-RL
CHUNK, DIMENSIONS = 8, 7  # LIBERO's
ASKED = Question(tokens=CHUNK * DIMENSIONS)


@dataclass(frozen=True)
class Timed:
    """Seconds of each repeat after the warm-up, and the most bytes that lay on the GPU (None on a CPU)."""

    seconds: tuple[float, ...]
    peak_bytes: int | None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Setting:
    """How a mini-batch is trained.  dtype: of the weights.  rank: of adapters, 0 trains all weights."""

    name: str
    dtype: torch.dtype
    rank: int = 0
    offload: bool = False


LORA = Setting("LoRA of rank 32, frozen bfloat16 weights", torch.bfloat16, rank=32)
FULL = (  # the largest first: the first that fits is measured
    Setting("all parameters, float32 weights and moments on the device", torch.float32),
    Setting("all parameters, bfloat16 weights, float32 masters in host memory", torch.bfloat16, offload=True),
    Setting("all parameters, bfloat16 weights and moments, no masters", torch.bfloat16),
)


def timed(call: Callable[[], object], device: torch.device, *, warm: int, repeats: int) -> Timed:
    """The device is waited for before and after each repeat."""
    for _ in range(warm):
        call()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(repeats):
        wait(device)
        begun = time.perf_counter()
        call()
        wait(device)
        seconds.append(time.perf_counter() - begun)
    return Timed(tuple(seconds), torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def product_rate(device: torch.device, size: int, *, repeats: int) -> float:
    """Operations a second of a square bfloat16 matrix product: what a model can be measured against."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / timed(lambda: left @ right, device, warm=3, repeats=repeats).median


class Bare(nn.Module):
    """`TokenPolicy` without a checkpoint: inputs are made up on the device, and actions mean nothing."""

    means: Tensor
    stds: Tensor
    chunk, action_dim, bins = CHUNK, DIMENSIONS, BINS

    def __init__(self, config: OpenVlaConfig, setting: Setting, device: torch.device) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            self.model = drawn(config, setting.dtype, device)
            if setting.rank:
                lora.adapt(self.model, LoraOptions(rank=setting.rank))
        self.register_buffer("means", torch.tensor(ROUNDED.means, device=device), persistent=False)
        self.register_buffer("stds", torch.tensor(ROUNDED.stds, device=device), persistent=False)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = images.normalise(inputs["images"], self.means, self.stds)
        dtype = self.model.vision_backbone.featurizer.patch_embed.proj.weight.dtype
        mask = torch.ones_like(inputs["input_ids"])
        return self.model.action_logits(inputs["input_ids"], mask, pixels.to(dtype), ASKED.tokens)

    def collate(self, observations: Observation, instructions: object) -> dict[str, Tensor]:
        raise NotImplementedError("inputs are made up")

    def normalise(self, actions: FloatArray) -> FloatArray:
        return actions

    def unnormalise(self, values: FloatArray) -> FloatArray:
        return values


def drawn(config: OpenVlaConfig, dtype: torch.dtype, device: torch.device) -> OpenVlaForActionPrediction:
    """A random model, built where it will be: at no time is there a second copy of it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return OpenVlaForActionPrediction(config)
    finally:
        torch.set_default_dtype(before)


def made_up(config: OpenVlaConfig, rows: int, device: torch.device) -> dict[str, Tensor]:
    """Noise for images and a prompt of fixed length."""
    side = int(config.image_sizes[0])
    return {
        "images": torch.randint(0, 256, (rows, ASKED.images, side, side, 3), device=device, dtype=torch.uint8),
        "input_ids": torch.randint(3, 30000, (rows, ASKED.prompt), device=device),
    }


def inference(policy: Bare, batch: int, device: torch.device, *, repeats: int) -> dict[str, Any]:
    """Chunks a second, from uint8 images on the device to drawn tokens."""
    inputs = made_up(policy.model.config, batch, device)
    uniforms = torch.rand(batch, ASKED.tokens, device=device)

    @torch.inference_mode()
    def chunk() -> None:
        sample_tokens(policy(inputs), uniforms, TEMPERATURE)

    policy.eval()
    found = timed(chunk, device, warm=3, repeats=repeats)
    work = batch * flops.forward(policy.model.config, ASKED)
    return {"batch": batch, "chunks_per_second": batch / found.median, "operations": work, **plain(found)}


def minibatch(
    config: OpenVlaConfig, setting: Setting, device: torch.device, *, chunks: int, micro: int, repeats: int
) -> dict[str, Any]:
    """One GRPO mini-batch through the strategy `single`: forwards, backwards, a step of AdamW."""
    strategy = Single(SingleOptions(device=str(device), precision="bfloat16", offload=setting.offload))
    policy = Bare(config, setting, device)
    policy.model.activation_checkpointing_enable({"use_reentrant": False})
    acting: TokenPolicy = policy
    trainer = strategy.prepare(acting)
    inputs = made_up(config, micro, device)
    tokens = torch.randint(0, BINS, (micro, ASKED.tokens), device=device)
    advantages = torch.randn(micro, 1, device=device).expand(-1, ASKED.tokens)

    def update() -> None:
        for number in range(chunks // micro):
            logprobs = token_logprobs(trainer.forward(inputs), tokens, TEMPERATURE)
            loss = -clipped(logprobs, logprobs.detach(), advantages, CLIP).mean() * micro / chunks
            trainer.backward(loss, last=number == chunks // micro - 1)
        trainer.step(5e-6, 1.0)  # SimpleVLA-RL's learning rate and clip

    found = timed(update, device, warm=1, repeats=repeats)
    trained = sum(one.numel() for one in policy.parameters() if one.requires_grad)
    backward = flops.ADAPTER_BACKWARD if setting.rank else flops.FULL_BACKWARD
    work = chunks * (1 + backward) * flops.forward(config, ASKED)  # recomputing is no work of the model's
    return {"setting": setting.name, "trained": trained, "chunks": chunks, "micro_batch": micro, "operations": work} | (
        plain(found)
    )


def plain(found: Timed) -> dict[str, Any]:
    return {
        "seconds_median": found.median,
        "seconds_min": min(found.seconds),
        "seconds_max": max(found.seconds),
        "repeats": len(found.seconds),
        "peak_bytes": found.peak_bytes,
    }


def available_host_bytes() -> int:
    """What the host still has, as Linux says; without that word, plenty."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else 1 << 62
