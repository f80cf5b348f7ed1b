"""A randomly initialized OpenVLA-OFT as a policy, for measurements that need no checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.interfaces import PolicyBase
from vla_rl_bench.types import FloatArray, Observation
from vla_rl_bench_openvla_oft import images, lora, standin
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.forward_cost import ForwardInput
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import LoraOptions
from vla_rl_bench_openvla_oft.processor import ROUNDED
from vla_rl_bench_openvla_oft.sizes import OPENVLA_7B

CHUNK, DIMENSIONS = 8, 7  # LIBERO's
INPUT = ForwardInput(tokens=CHUNK * DIMENSIONS)


@dataclass(frozen=True)
class Training:
    """Memory layout in which a mini-batch is trained."""

    name: str
    dtype: torch.dtype  # of the weights
    rank: int = 0  # of LoRA adapters; 0 trains all weights
    offload: bool = False  # float32 master weights and moments in host memory


INFERENCE = Training("inference", torch.bfloat16)
TRAININGS = (
    Training("lora", torch.bfloat16, rank=32),
    Training("float32", torch.float32),
    Training("bfloat16-offload", torch.bfloat16, offload=True),
    Training("bfloat16", torch.bfloat16),
)


def config_of(size: str) -> OpenVlaConfig:
    """Return the configuration of ``7b`` or of a size of the stand-in."""
    if size == "7b":
        return OpenVlaConfig(**OPENVLA_7B)
    return standin.config(standin.SIZES[size], standin.SIZES[size].pixels, None)


def random_openvla(config: OpenVlaConfig, dtype: torch.dtype, device: torch.device) -> OpenVlaForActionPrediction:
    """Build a random model on its device: at no time is there a second copy of it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return OpenVlaForActionPrediction(config)
    finally:
        torch.set_default_dtype(before)


def random_inputs(config: OpenVlaConfig, rows: int, device: torch.device) -> dict[str, Tensor]:
    """Make noise images and prompts of a fixed length."""
    side = int(config.image_sizes[0])
    return {
        "images": torch.randint(0, 256, (rows, INPUT.images, side, side, 3), device=device, dtype=torch.uint8),
        "input_ids": torch.randint(3, 30000, (rows, INPUT.prompt), device=device),
    }


class RandomPolicy(PolicyBase, nn.Module):
    """`TokenPolicy` without a checkpoint: its inputs come from `random_inputs`, and its actions mean nothing."""

    means: Tensor
    stds: Tensor
    chunk, action_dim, bins = CHUNK, DIMENSIONS, BINS

    def __init__(self, config: OpenVlaConfig, training: Training, device: torch.device) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            self.model = random_openvla(config, training.dtype, device)
            if training.rank:
                lora.adapt(self.model, LoraOptions(rank=training.rank))
        self.register_buffer("means", torch.tensor(ROUNDED.means, device=device), persistent=False)
        self.register_buffer("stds", torch.tensor(ROUNDED.stds, device=device), persistent=False)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = images.normalize(inputs["images"], self.means, self.stds)
        dtype = self.model.vision_backbone.featurizer.patch_embed.proj.weight.dtype
        mask = torch.ones_like(inputs["input_ids"])
        return self.model.action_logits(inputs["input_ids"], mask, pixels.to(dtype), INPUT.tokens)

    def collate(self, observations: Observation, instructions: object) -> dict[str, Tensor]:
        raise NotImplementedError("inputs come from random_inputs")

    def normalize(self, actions: FloatArray) -> FloatArray:
        return actions

    def unnormalize(self, values: FloatArray) -> FloatArray:
        return values
