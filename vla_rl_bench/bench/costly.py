"""A policy whose forward costs the same for every row, however many rows share it, and answers each row alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.bench.fake import CHUNK, burn
from vla_rl_bench.types import FloatArray, Observation

DIMENSIONS = 2  # of the fake environment's actions


class CostlyPolicy(nn.Module):
    """See `vla_rl_bench.interfaces.TokenPolicy`.  work: matrix products of `burn` a row."""

    chunk, action_dim, bins = CHUNK, DIMENSIONS, BINS

    def __init__(self, work: int) -> None:
        super().__init__()
        self.work = work
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.table = nn.Parameter(torch.randn(256, CHUNK * DIMENSIONS, BINS) * 0.1)

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return {"shade": torch.from_numpy(observations.images["top"][:, 0, 0, 0].astype("int64"))}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """-> logits ``[B, K*D, 256]``, looked up by the image's shade."""
        for _ in inputs["shade"]:
            burn(self.work)
        return self.table[inputs["shade"]]

    def normalise(self, actions: FloatArray) -> FloatArray:
        return actions

    def unnormalise(self, values: FloatArray) -> FloatArray:
        return values.astype("float32")
