"""A policy whose forward pass costs the same for every row, in any batch, and answers each row alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tests.benchmarks.support.constant_cost_env import CHUNK, burn
from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.interfaces import PolicyBase
from vla_rl_bench.types import FloatArray, Observation

DIMENSIONS = 2  # of the environment's actions


class ConstantCostPolicy(PolicyBase, nn.Module):
    """Policy that looks its logits up by the image's shade.  See `vla_rl_bench.interfaces.TokenPolicy`."""

    chunk, action_dim, bins = CHUNK, DIMENSIONS, BINS

    def __init__(self, products: int) -> None:
        """products: matrix products of `burn` for a row."""
        super().__init__()
        self.products = products
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.table = nn.Parameter(torch.randn(256, CHUNK * DIMENSIONS, BINS) * 0.1)

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return {"shade": torch.from_numpy(observations.images["top"][:, 0, 0, 0].astype("int64"))}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute logits ``[B, K*D, 256]``."""
        for _ in inputs["shade"]:
            burn(self.products)
        return self.table[inputs["shade"]]

    def normalize(self, actions: FloatArray) -> FloatArray:
        return actions

    def unnormalize(self, values: FloatArray) -> FloatArray:
        return values.astype("float32")
