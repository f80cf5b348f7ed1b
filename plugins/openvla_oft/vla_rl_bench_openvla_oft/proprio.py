"""The proprioception projector, which OpenVLA-OFT stores beside the checkpoint and SimpleVLA-RL inside it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction

PREFIX = "proprio_projector."
PATTERN = "*proprio_projector*checkpoint*"


def load_proprio_projector(model: OpenVlaForActionPrediction, folder: Path) -> None:
    """Fill ``model.proprio_projector`` from a checkpoint's folder.

    Nothing to do where the weights hold it (`from_pretrained` took them) or the model has none.
    """
    projector = model.proprio_projector
    if projector is None or any(name.startswith(PREFIX) for name in stored_names(folder)):
        return
    path = _separate_file(folder)
    weights = {key.removeprefix("module."): value for key, value in _read(path).items()}
    expected = {key: tuple(value.shape) for key, value in projector.state_dict().items()}
    shapes = {key: tuple(value.shape) for key, value in weights.items()}
    if shapes != expected:
        raise UserError(f"{path}: a proprioception projector has {expected}, this one {shapes}; is policy.space right?")
    projector.load_state_dict(weights)


def stored_names(folder: Path) -> set[str]:
    """Names of all tensors in a folder's safetensors, single or sharded, read from headers alone."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return set(json.loads(index.read_text())["weight_map"])
    single = folder / "model.safetensors"
    if not single.is_file():
        return set()
    with safe_open(single, "pt") as stored:
        return set(stored.keys())


def _separate_file(folder: Path) -> Path:
    files = sorted(folder.glob(PATTERN))
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(path.name for path in files)
        raise UserError(f"{folder}: more than one proprioception projector ({names}); leave the one that is meant")
    raise UserError(
        f"{folder}: proprioception is fed, but neither the weights have `{PREFIX}*` nor is there a file `{PATTERN}`. "
        "Copy it there, or set policy.proprio: false where the checkpoint was trained without; to fine-tune it with, "
        f"begin with fresh weights: python -m vla_rl_bench_openvla_oft.projector {folder}"
    )


def _read(path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
