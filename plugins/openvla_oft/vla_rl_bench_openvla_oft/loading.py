"""A checkpoint's folder -> the model; what cannot work is refused here, with the reason and what to type."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import OpenVlaOptions
from vla_rl_bench_openvla_oft.proprio import PATTERN, PREFIX, load_proprio_projector, stored_names
from vla_rl_bench_openvla_oft.spaces import CheckpointWarning

_WANTED = ("*.json", "*.safetensors", "*.pt", "*.model", "*.txt", "*.py")


def resolve(checkpoint: str) -> Path:
    """A local folder, or the hub's snapshot under this name, fetched where it is not here yet."""
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder
    if not _hub_name(checkpoint):
        raise UserError(
            f"policy.checkpoint: no folder {checkpoint}. Name a checkpoint's folder or a name on the hub, or make a "
            f"small one: python -m vla_rl_bench_openvla_oft.standin {checkpoint}"
        )
    return _snapshot(checkpoint)


def _hub_name(checkpoint: str) -> bool:
    """``owner/name``, and not the shape of a path."""
    return checkpoint.count("/") == 1 and not checkpoint.startswith((".", "~", "/")) and not checkpoint.endswith("/")


def _snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"policy.checkpoint: no folder {name} here, and the hub does not give it ({reason}). Where there is a "
            f"network: hf download {name} --local-dir FOLDER; then policy.checkpoint: FOLDER"
        ) from None


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of an OpenVLA checkpoint."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"policy.checkpoint: {folder} has no config.json. Name the folder of an OpenVLA checkpoint")
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Take the file from the checkpoint again") from None
    if config.get("model_type") != "openvla":
        raise UserError(
            f"policy.checkpoint: {folder} is a `{config.get('model_type')}` checkpoint, and this policy is `openvla`. "
            "Name an OpenVLA or OpenVLA-OFT checkpoint"
        )
    return config


def load(folder: Path, options: OpenVlaOptions, proprio: int | None) -> OpenVlaForActionPrediction:
    """proprio: how many numbers of proprioception are fed; None: no token of it."""
    read_config(folder)
    _check_weights(folder)
    if proprio is None:
        _warn_of_unused_proprioception(folder)
    if not sys.stderr.isatty():
        disable_progress_bar()  # type: ignore[no-untyped-call]
    config = OpenVlaConfig.from_pretrained(str(folder))
    config.use_proprio, config.proprio_dim = proprio is not None, proprio
    try:
        loaded: Any = OpenVlaForActionPrediction.from_pretrained(
            str(folder),
            config=config,
            dtype=getattr(torch, options.weights),
            attn_implementation=options.kernel,
            local_files_only=True,
            output_loading_info=True,
        )
    # shapes that differ, a kernel that is not installed, a file that is cut off
    except (RuntimeError, ImportError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:400]
        raise UserError(f"policy.checkpoint: {folder} cannot be loaded: {reason}") from None
    model: OpenVlaForActionPrediction = loaded[0]
    _check_complete(folder, loaded[1]["missing_keys"])
    load_proprio_projector(model, folder)
    if options.gradient_checkpointing:
        _recompute_activations(model)
    return model


def _recompute_activations(model: Any) -> None:
    """transformers renamed it within version 5."""
    arguments = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=arguments)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=arguments)


def _check_weights(folder: Path) -> None:
    """Every file that the weights are said to lie in is here."""
    index = folder / "model.safetensors.index.json"
    named = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    absent = sorted(name for name in named if not (folder / name).is_file())
    if absent:
        raise UserError(
            f"policy.checkpoint: {folder} holds no {absent[0]}{_more(absent)}. Copy the checkpoint whole, or convert "
            "its pytorch_model.bin to safetensors"
        )


def _more(names: list[str]) -> str:
    return f" (nor {len(names) - 1} more)" if len(names) > 1 else ""


def _warn_of_unused_proprioception(folder: Path) -> None:
    if any(folder.glob(PATTERN)) or any(name.startswith(PREFIX) for name in stored_names(folder)):
        warnings.warn(
            f"{folder} was trained with proprioception, and none is fed: it lacks a token that it always saw. "
            "Set policy.proprio: true",
            CheckpointWarning,
            stacklevel=2,
        )


def _check_complete(folder: Path, missing: set[str] | list[str]) -> None:
    """The proprioception projector may lie in a file of its own."""
    lacking = sorted(name for name in missing if not name.startswith(PREFIX))
    if lacking:
        raise UserError(
            f"policy.checkpoint: {folder} lacks {len(lacking)} of the model's tensors, the first is `{lacking[0]}`. "
            "Copy the checkpoint whole: every shard and model.safetensors.index.json"
        )
