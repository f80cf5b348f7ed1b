"""Sizes of a checkpoint, of what a suite trains of it, and of a forward; nothing is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.forward_cost import ForwardCost, ForwardInput, forward_cost
from vla_rl_bench_openvla_oft.lora import adapt
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import LoraOptions

# openvla/openvla-7b's, as far as its size depends on it
OPENVLA_7B: dict[str, Any] = {
    "text_config": {"model_type": "llama", "vocab_size": 32064, "pad_token_id": 32000},
    "image_sizes": [224, 224],
    "pad_to_multiple_of": 64,
}


@dataclass(frozen=True)
class Sizes:
    """parameters: of the checkpoint, without adapters.  trained: adapters, or all that a forward reads.
    tensors: of the checkpoint."""

    config: OpenVlaConfig
    parameters: int
    tensors: int
    trained: int
    lora: bool
    forward: ForwardCost

    @property
    def frozen(self) -> int:
        return self.parameters if self.lora else self.parameters - self.trained


def read_config(checkpoint: str) -> tuple[OpenVlaConfig, str]:
    """-> a local folder's config and name.  A name on the hub, or none, means openvla-7b's; nothing is fetched."""
    folder = Path(checkpoint).expanduser()
    if not checkpoint or (checkpoint.count("/") == 1 and not folder.is_dir() and checkpoint[0] not in "./~"):
        return OpenVlaConfig(**OPENVLA_7B), "openvla-7b" + (f" (taken for {checkpoint})" if checkpoint else "")
    try:
        read = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"policy.checkpoint: {folder}/config.json cannot be read ({error}). Name a checkpoint"
        ) from None
    if read.get("model_type") != "openvla":
        raise UserError(
            f"policy.checkpoint: {folder}/config.json has model_type {read.get('model_type')!r}, not openvla"
        )
    return OpenVlaConfig(**read), str(folder)


def sizes(
    config: OpenVlaConfig, lora: LoraOptions | None, inputs: ForwardInput | None = None, *, autocast: bool = False
) -> Sizes:
    """Count on torch's meta device, which has shapes and no memory.  autocast: weights are float32, else bfloat16."""
    with torch.device("meta"):
        model = OpenVlaForActionPrediction(config).train()
        model.to(dtype=torch.float32 if autocast else torch.bfloat16)
        state = model.state_dict()
        if lora is not None:
            adapt(model, lora)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    cost = forward_cost(model, inputs or ForwardInput(), autocast=autocast or lora is not None)
    parameters = sum(tensor.numel() for tensor in state.values())
    return Sizes(config, parameters, len(state), trained, lora is not None, cost)
