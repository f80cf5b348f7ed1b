"""Pixels, proprioception and letters through one hidden layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.types import EnvironmentSpec, FloatArray, Observation
from vla_rl_bench_cart.options import LinearOptions


def make(spec: EnvironmentSpec, options: LinearOptions, seed: int) -> Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Linear(spec, options)


class Linear(nn.Module):
    """`vla_rl_bench.interfaces.TokenPolicy`: K x D action tokens in one forward."""

    def __init__(self, spec: EnvironmentSpec, options: LinearOptions) -> None:
        super().__init__()
        self.chunk, self.action_dim, self.bins = options.chunk, spec.action.dimensions, BINS
        self.low, self.high = np.array(spec.action.low, np.float32), np.array(spec.action.high, np.float32)
        self.camera = spec.images[0]
        self.see = nn.Linear(self.camera.height * self.camera.width * 3 + len(spec.proprio), options.width)
        self.hear = nn.EmbeddingBag(256, options.width, mode="mean", padding_idx=0)
        self.answer = nn.Linear(options.width, self.chunk * self.action_dim * self.bins)

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        letters = [torch.tensor(list(text.encode()) or [0]) for text in instructions]
        return {
            "image": torch.from_numpy(observations.images[self.camera.name]),
            "proprio": torch.from_numpy(observations.proprio),
            "letters": nn.utils.rnn.pad_sequence(letters, batch_first=True),
        }

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = inputs["image"].flatten(1).float() / 255
        hidden = torch.tanh(self.see(torch.cat([pixels, inputs["proprio"]], 1)) + self.hear(inputs["letters"]))
        logits: Tensor = self.answer(hidden)
        return logits.view(-1, self.chunk * self.action_dim, self.bins)

    def normalise(self, actions: FloatArray) -> FloatArray:
        return (2 * (actions - self.low) / (self.high - self.low) - 1).astype(np.float32)

    def unnormalise(self, values: FloatArray) -> FloatArray:
        return (self.low + (values + 1) / 2 * (self.high - self.low)).astype(np.float32)

    def export(self, folder: Path) -> None:
        torch.save(self.state_dict(), folder / "linear.pt")
