"""OpenVLA-OFT and OpenVLA as policies: a checkpoint, and what surrounds it in an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.action_tokens import BINS
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import PolicyBase
from vla_rl_bench.types import EnvironmentSpec, FloatArray, ImageSpec, Observation
from vla_rl_bench_openvla_oft import decoding, export, images, loading, lora, probe, processor, spaces, statistics
from vla_rl_bench_openvla_oft.codec import Codec, codec
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.processor import Normalization
from vla_rl_bench_openvla_oft.prompt import Prompts, tokenizer
from vla_rl_bench_openvla_oft.spaces import Space

_GREY = 128  # of the image that a checkpoint's head is probed with


def make(spec: EnvironmentSpec, options: OpenVlaOftOptions, seed: int) -> OpenVlaOftPolicy:
    """The entry point of `openvla-oft`.  `seed` draws the adapters; everything else is the checkpoint's."""
    space = spaces.choose(options.space, spec, options.images)
    space = replace(space, chunk=options.chunk or space.chunk)
    policy = _build(OpenVlaOftPolicy, spec, options, space, seed, epsilon=statistics.EPSILON)
    policy.causal = options.attention == "causal"
    return _judged(policy, spec, options)


def make_autoregressive(spec: EnvironmentSpec, options: OpenVlaOptions, seed: int) -> OpenVlaPolicy:
    """The entry point of `openvla`: one action at a time, always in causal attention."""
    if options.proprio:
        raise UserError("policy.proprio: `openvla` has no token of proprioception. Leave it out, or use `openvla-oft`")
    options = replace(options, proprio=False)
    space = replace(spaces.choose(options.space, spec, options.images), chunk=1)
    policy = _build(OpenVlaPolicy, spec, options, space, seed, epsilon=0.0)  # base openvla adds none
    return _judged(policy, spec, options)


class OpenVlaOftPolicy(PolicyBase, nn.Module):
    """See `vla_rl_bench.interfaces.TokenPolicy`.  The whole chunk comes from one forward.

    causal: as stock transformers would attend, and not as the checkpoints were trained.
    """

    means: Tensor
    stds: Tensor
    causal = False

    def __init__(
        self,
        model: OpenVlaForActionPrediction,
        prompts: Prompts,
        numbers: Codec,
        normalization: Normalization,
        cameras: Sequence[ImageSpec],
        source: Path,
    ) -> None:
        super().__init__()
        self.model, self.prompts, self.codec = model, prompts, numbers
        self.cameras = tuple(camera.name for camera in cameras)
        self.source = source
        self.chunk, self.action_dim, self.bins = numbers.space.chunk, numbers.bounds.dimensions, BINS
        self.pixels = int(model.config.image_sizes[0])
        self.register_buffer("means", torch.tensor(normalization.means), persistent=False)
        self.register_buffer("stds", torch.tensor(normalization.stds), persistent=False)

    @property
    def tokens(self) -> int:
        return self.chunk * self.action_dim

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        """-> ``images`` uint8 ``[B, n, S, S, 3]``, ``input_ids`` and ``attention_mask`` int64 ``[B, L]``, and
        ``proprio`` float32 ``[B, P]`` in [-1, 1] where it is fed."""
        space = self.codec.space
        views = [
            images.preprocess(observations.images[name], jpeg=space.jpeg, size=self.pixels, crop=space.crop)
            for name in self.cameras
        ]
        ids, mask = self.prompts(instructions)
        inputs = {"images": torch.stack(views, 1), "input_ids": ids, "attention_mask": mask}
        if self.codec.proprio is not None:
            inputs["proprio"] = torch.from_numpy(self.codec.proprio(observations.proprio))
        return inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """-> float32 logits ``[B, K*D, 256]``."""
        return self.model.action_logits(
            inputs["input_ids"],
            inputs["attention_mask"],
            self.pixel_values(inputs),
            self.tokens,
            inputs.get("proprio"),
            causal=self.causal,
        )

    def pixel_values(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """-> ``[B, 6 n, S, S]`` in the dtype of the weights that read it."""
        values = images.normalize(inputs["images"], self.means, self.stds)
        return values.to(self.model.vision_backbone.featurizer.patch_embed.proj.weight.dtype)

    def normalize(self, actions: FloatArray) -> FloatArray:
        return self.codec.normalize(actions)

    def unnormalize(self, values: FloatArray) -> FloatArray:
        return self.codec.unnormalize(values)

    def export(self, folder: Path) -> None:
        """The checkpoint's format, adapters merged: for OpenVLA's own code, and for ``policy.checkpoint``."""
        export.write(self.model, self.source, folder)

    def mass_on_bins(self, inputs: Mapping[str, Tensor]) -> float:
        """Share of the whole vocabulary's probability on action tokens."""
        return probe.mass_on_bins(
            self.model,
            inputs["input_ids"],
            inputs["attention_mask"],
            self.pixel_values(inputs),
            self.tokens,
            proprio=inputs.get("proprio"),
            causal=self.causal,
        )


class OpenVlaPolicy(OpenVlaOftPolicy):
    """Plain OpenVLA: each token after those before it; there is no chunk, and no token of proprioception."""

    is_autoregressive = True

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Teacher forcing: the logits of ``inputs["tokens"]``, ``[B, D, 256]``."""
        return decoding.teacher_forced_logits(
            self.model,
            inputs["input_ids"],
            inputs["attention_mask"],
            self.pixel_values(inputs),
            inputs["tokens"],
        )

    def draw(self, inputs: Mapping[str, Tensor], choose: decoding.Choose) -> tuple[Tensor, Tensor]:
        """-> tokens and log-probs ``[B, D]``."""
        return decoding.draw(
            self.model,
            inputs["input_ids"],
            inputs["attention_mask"],
            self.pixel_values(inputs),
            self.tokens,
            choose,
        )

    def mass_on_bins(self, inputs: Mapping[str, Tensor]) -> float:
        """Of the first token alone, which depends on no other."""
        return probe.mass_on_bins(
            self.model,
            inputs["input_ids"],
            inputs["attention_mask"],
            self.pixel_values(inputs),
            1,
            proprio=None,
            causal=True,
        )


Policy = TypeVar("Policy", bound=OpenVlaOftPolicy)


def _build(
    kind: type[Policy], spec: EnvironmentSpec, options: OpenVlaOptions, space: Space, seed: int, *, epsilon: float
) -> Policy:
    """Build the policy; checks that need no weights come first."""
    source = loading.resolve(options.checkpoint.replace("{column}", spec.suite))
    norm_stats = statistics.read(source, loading.read_config(source).get("norm_stats"))
    numbers = codec(norm_stats, options, space, spec, epsilon=epsilon)
    cameras = spaces.cameras(space, spec, options.images)
    prompts, normalization = Prompts(tokenizer(source)), processor.normalization(source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = loading.load(source, options, None if numbers.proprio is None else len(spec.proprio))
        if options.lora is not None:
            lora.adapt(model, options.lora)
    return kind(model, prompts, numbers, normalization, cameras, source)


def _judged(policy: Policy, spec: EnvironmentSpec, options: OpenVlaOptions) -> Policy:
    """The policy, or a `UserError` where its head was never trained to speak action tokens."""
    if options.probe:
        grey = {
            image.name: np.full((1, image.height, image.width, 3), _GREY, np.uint8)
            for image in spec.images
            if image.name in policy.cameras
        }
        observation = Observation(grey, np.zeros((1, len(spec.proprio)), np.float32))
        policy.eval()
        probe.judge(policy.mass_on_bins(policy.collate(observation, [spec.tasks[0].instruction])), policy.source)
        policy.train()
    return policy
