"""OpenVLA-OFT in little, drawn at random: this project's implementation, without a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from plugins.openvla_oft.tests.random_model import CHUNK, DIMENSIONS, INPUT, RandomPolicy, Training
from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, Observation, TaskSpec
from vla_rl_bench_openvla_oft import images, standin

SIZE = "tiny"


class Oft(RandomPolicy):
    """Frames come in the model's size, as if they had been cropped already, and one made-up prompt for all."""

    def __init__(self) -> None:
        size = standin.SIZES[SIZE]
        super().__init__(standin.config(size, size.pixels, None), Training("all", torch.float32), torch.device("cpu"))
        standin.initialise(self.model)
        self.prompt = torch.randint(3, 30000, (1, INPUT.prompt), generator=torch.Generator().manual_seed(0))

    def collate(self, observations: Observation, instructions: object) -> dict[str, Tensor]:
        seen = torch.from_numpy(observations.images["agentview"])[:, None]
        return {"images": seen, "input_ids": self.prompt.expand(len(seen), -1)}

    def pixel_values(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """What the peer stores of an observation: float32 ``[B, 6, S, S]``."""
        return images.normalize(inputs["images"], self.means, self.stds)


def oft() -> Oft:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Oft()


def spec(policy: Oft) -> EnvironmentSpec:
    """Of noise in the model's size."""
    side = int(policy.model.config.image_sizes[0])
    bounds: Sequence[Any] = [(value,) * DIMENSIONS for value in (-1.0, 1.0, 0.0)]
    return EnvironmentSpec(
        name="noise",
        suite="noise",
        protocol="noise-1",
        tasks=(TaskSpec("look", "look", 64 * CHUNK),),
        images=(ImageSpec("agentview", side, side),),
        proprio=("nothing",),
        action=ActionSpec(tuple("abcdefg"), *bounds),
        splits={},
    )
