"""A token policy small enough for a CPU, of the shape of OpenVLA-OFT (arXiv 2502.19645).

Image patches, instruction words, proprioception and K*D learned action queries go through one bidirectional forward;
each query answers with a categorical over 256 action tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.tokenizer import TABLE, encode
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import PolicyBase
from vla_rl_bench.types import EnvironmentSpec, FloatArray, ImageSpec, Observation

WEIGHTS = Path(__file__).parent / "weights"


def make(spec: EnvironmentSpec, options: NanoOptions, seed: int) -> NanoPolicy:
    """Make the policy; `seed` draws the initial weights, which pre-trained ones replace."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = NanoPolicy(spec, options)
    if options.weights != "none":
        _load_weights(policy, options.weights)
    return policy


def _load_weights(policy: NanoPolicy, name: str) -> None:
    weights = {key: value.float() for key, value in load_file(WEIGHTS / f"{name}.safetensors").items()}
    try:
        policy.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(
            f"policy.weights: `{name}` does not fit this environment ({reason}). "
            "Use the environment that suites/quickstart.yaml has, or weights: none"
        ) from None


class NanoPolicy(PolicyBase, nn.Module):
    """Small transformer that answers in one forward."""

    low: Tensor
    high: Tensor

    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__()
        self.chunk, self.action_dim, self.bins = (
            options.chunk,
            spec.action.dimensions,
            BINS,
        )
        self.words = options.words
        self.cameras = [image.name for image in spec.images]
        width = options.width
        self.stems = nn.ModuleList(Stem(image, options) for image in spec.images)
        self.instruction = nn.Embedding(TABLE + 1, width)
        self.instruction_places = nn.Parameter(torch.randn(options.words, width) * 0.1)
        self.proprio = nn.Sequential(nn.Linear(len(spec.proprio), width), nn.GELU(), nn.Linear(width, width))
        self.queries = nn.Parameter(torch.randn(self.chunk * self.action_dim, width) * 0.5)
        self.layers = nn.ModuleList(Layer(width, options.heads) for _ in range(options.layers))
        self.norm = nn.LayerNorm(width)
        self.head = fourier_head(width, options.rank)
        nn.init.normal_(self.instruction.weight, std=0.5)
        self.register_buffer("low", torch.tensor(spec.action.low), persistent=False)
        self.register_buffer("high", torch.tensor(spec.action.high), persistent=False)

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        """Collate to uint8 ``[B, H, W, 3]`` per camera, ``words [B, L]`` int64 and ``proprio [B, P]`` float32."""
        inputs = {f"image.{name}": torch.from_numpy(observations.images[name]) for name in self.cameras}
        inputs["words"] = torch.from_numpy(encode(instructions, self.words))
        inputs["proprio"] = torch.from_numpy(observations.proprio)
        return inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute logits ``[B, K*D, 256]``; the last layer computes the query positions only."""
        images = [stem(inputs[f"image.{name}"]) for name, stem in zip(self.cameras, self.stems, strict=True)]
        instruction = self.instruction(inputs["words"]) + self.instruction_places
        proprio = self.proprio(inputs["proprio"])[:, None]
        queries = self.queries.expand(len(proprio), -1, -1)
        tokens = torch.cat([*images, instruction, proprio, queries], 1)
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            tokens = layer(tokens, queries.shape[1] if index == last else tokens.shape[1])
        logits: Tensor = self.head(self.norm(tokens))
        return logits

    def normalize(self, actions: FloatArray) -> FloatArray:
        low, high = self.low.cpu().numpy(), self.high.cpu().numpy()
        result: FloatArray = (2 * (actions - low) / (high - low) - 1).astype("float32")
        return result

    def unnormalize(self, values: FloatArray) -> FloatArray:
        low, high = self.low.cpu().numpy(), self.high.cpu().numpy()
        result: FloatArray = (low + (values + 1) / 2 * (high - low)).astype("float32")
        return result


class Stem(nn.Module):
    """Image encoder: uint8 ``[B, H, W, 3]`` of one camera to tokens ``[B, n, width]`` with position embeddings."""

    def __init__(self, image: ImageSpec, options: NanoOptions) -> None:
        super().__init__()
        self.patch = options.patch if options.stem == "patch" else 8
        if image.height % self.patch or image.width % self.patch:
            raise UserError(
                f"policy.patch: {self.patch} pixels do not divide the {image.height} x {image.width} image of camera "
                f"`{image.name}`"
            )
        self.linear = options.stem == "patch"
        self.tokens = _patches(self.patch, options.width) if self.linear else _convolutions(options.width)
        places = grid_places(image.height // self.patch, image.width // self.patch, options.width)
        self.places = nn.Parameter(places)

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.float().sub_(128.0).div_(64.0)
        pixels = _squares(pixels, self.patch) if self.linear else pixels.permute(0, 3, 1, 2)
        tokens = self.tokens(pixels)
        if not self.linear:
            tokens = tokens.flatten(2).transpose(1, 2)
        result: Tensor = tokens + self.places
        return result


def _patches(patch: int, width: int) -> nn.Module:
    return nn.Linear(3 * patch * patch, width)


def _convolutions(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width // 4, 4, 2, 1), nn.GELU(),
        nn.Conv2d(width // 4, width // 2, 4, 2, 1), nn.GELU(),
        nn.Conv2d(width // 2, width, 4, 2, 1),
    )  # fmt: skip


def _squares(pixels: Tensor, patch: int) -> Tensor:
    """Split ``[B, H, W, 3]`` into squares ``[B, squares, patch*patch*3]``, row by row."""
    batch, height, width, channels = pixels.shape
    grid = pixels.view(batch, height // patch, patch, width // patch, patch, channels).transpose(2, 3)
    return grid.reshape(batch, -1, patch * patch * channels)


class Layer(nn.Module):
    """Pre-norm transformer layer that may compute its last positions only."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
        )
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor, answers: int) -> Tensor:
        """Compute the last positions ``[B, answers, width]`` of tokens ``[B, T, width]``, attending to all."""
        batch, _, width = tokens.shape
        normed = self.norm_attention(tokens)
        query = self._split(self.query(normed[:, -answers:]))
        key, value = (self._split(part) for part in self.key_value(normed).chunk(2, -1))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens[:, -answers:] + self.out(mixed.transpose(1, 2).reshape(batch, answers, width))
        hidden = functional.gelu(self.up(self.norm_mlp(tokens)), approximate="tanh")
        result: Tensor = tokens + self.down(hidden)
        return result

    def _split(self, tokens: Tensor) -> Tensor:
        """Split ``[B, T, width]`` into ``[B, heads, T, width / heads]``."""
        batch, length, width = tokens.shape
        return tokens.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


def grid_places(rows: int, columns: int, width: int) -> Tensor:
    """Position embeddings ``[rows*columns, width]``: sines and cosines of the column, then of the row."""

    def waves(n: int) -> Tensor:
        frequency = math.pi / 2 * 2.0 ** torch.arange(width // 8)
        phase = ((torch.arange(n) + 0.5) / n)[:, None] * frequency
        half = torch.cat([phase.sin(), phase.cos()], 1)
        return functional.pad(half, (0, width // 2 - half.shape[1]))

    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.cat([waves(columns)[column.flatten()], waves(rows)[row.flatten()]], 1)


def fourier_head(width: int, rank: int) -> nn.Sequential:
    """Head from width over rank to 256 tokens, initialized with cosines over the tokens' values."""
    to_bins = nn.Linear(rank, BINS)
    with torch.no_grad():
        to_bins.weight.copy_(fourier_rows(rank))
        to_bins.bias.zero_()
    return nn.Sequential(nn.Linear(width, rank), to_bins)


def fourier_rows(rank: int) -> Tensor:
    """``[256, rank]``.  Token t means the value 1 - (2 t + 1) / 256, nearly (tokens descend with the value)."""
    value = 1 - (torch.arange(BINS) + 0.5) / BINS  # from 1 down to 0
    order = torch.arange(1, rank + 1)
    return 1.5 * torch.cos(math.pi * order * value[:, None]) / (1 + order / 8)
