"""How many parameters a checkpoint has, and how many of them a suite trains; nothing is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
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


def sizes(config: OpenVlaConfig, lora: LoraOptions | None) -> Sizes:
    """Counted on torch's meta device, which has shapes and no memory."""
    model = on_meta(config)
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    if lora is not None:
        trained = adapter_parameters(model, lora.rank)
    state = model.state_dict()
    return Sizes(config, sum(one.numel() for one in state.values()), len(state), trained, lora is not None)


def on_meta(config: OpenVlaConfig) -> OpenVlaForActionPrediction:
    with torch.device("meta"):
        return OpenVlaForActionPrediction(config)


def adapter_parameters(model: nn.Module, rank: int) -> int:
    """rank x (inputs + outputs) of every linear layer that adapters are put on: all that are computed, but the head."""
    return sum(
        rank * (one.in_features + one.out_features)
        for name, one in model.named_modules()
        if isinstance(one, nn.Linear) and one.weight.requires_grad and not name.endswith("lm_head")
    )
