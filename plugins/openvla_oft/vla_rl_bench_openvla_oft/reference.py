"""A folder of reference outputs: a tiny checkpoint, inputs, and what OpenVLA-OFT's own code made of them.

The schema is described in ``tests/data/openvla_oft_a/README.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.proprio import PREFIX, load_proprio_projector

FILES = ("config.json", "meta.json", "io.safetensors", "model.safetensors", "dataset_statistics.json")
META = ("num_action_chunks", "action_dim", "use_proprio", "normalization", "unnorm_key", "num_images", "results")
PPO = ("clip_low", "clip_high", "temperature", "loss", "grad_norm_total", "grad_norms", "no_grad_params")
BOUNDS = {"bounds_q99": ("q01", "q99"), "bounds": ("min", "max")}  # LIBERO; RoboTwin and ALOHA


@dataclass(frozen=True)
class Case:
    """name: ``n1``, ``n2``, ...  modes: those of `bidirectional` and `causal` that the folder has."""

    name: str
    images: int
    modes: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """meta: meta.json.  tensors: io.safetensors.  statistics: the entry of dataset_statistics.json that belongs."""

    folder: Path
    meta: dict[str, Any]
    tensors: dict[str, Tensor]
    statistics: dict[str, dict[str, Any]]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise UserError(
                f"{self.folder / 'io.safetensors'}: lacks `{name}`; the schema is in openvla_oft_a/README.md"
            )
        return self.tensors[name]

    @property
    def chunk(self) -> int:
        return int(self.meta["num_action_chunks"])

    @property
    def action_dim(self) -> int:
        return int(self.meta["action_dim"])

    @property
    def tokens(self) -> int:
        return self.chunk * self.action_dim

    @property
    def proprio(self) -> Tensor | None:
        return self["proprio_normalized"] if self.meta["use_proprio"] else None

    def drawn(self, name: str, first: int) -> Tensor:
        """Tokens, which the folder has as vocabulary ids from `first` on -> 0..255."""
        tokens = self[name] - first
        if tokens.min() < 0 or tokens.max() > 255:
            raise UserError(f"{self.folder / 'io.safetensors'}: `{name}` are not ids from {first} to {first + 255}")
        return tokens

    def cases(self) -> Iterator[Case]:
        for name, images in self.meta["num_images"].items():
            modes = [mode for mode in ("bidirectional", "causal") if f"{name}.{mode}.logits" in self.tensors]
            yield Case(name, images, tuple(modes))

    def unnormalize(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """``[..., D]`` in [-1, 1] -> actions: ``0.5 (a + 1) (high - low + 1e-8) + low`` where the mask says so."""
        low, high = self._bounds("action")
        mask = np.asarray(self.statistics["action"].get("mask", np.ones_like(low, bool)))
        return np.where(mask, 0.5 * (values + 1) * (high - low + 1e-8) + low, values)

    def normalize_proprio(self, raw: NDArray[np.floating]) -> NDArray[np.float64]:
        """``[..., P]`` -> ``2 (x - low) / (high - low + 1e-8) - 1``, clipped to [-1, 1]."""
        low, high = self._bounds("proprio")
        normalized: NDArray[np.float64] = np.clip(2 * (raw - low) / (high - low + 1e-8) - 1, -1, 1)
        return normalized

    def _bounds(self, what: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, high = BOUNDS[self.meta["normalization"]]
        return np.asarray(self.statistics[what][low]), np.asarray(self.statistics[what][high])


def read(folder: Path) -> Reference:
    """A `UserError` says what is not in the schema."""
    for name in FILES:
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no `{name}`; give a folder in the schema of openvla_oft_a/README.md")
    meta, statistics = (_json(folder / name) for name in ("meta.json", "dataset_statistics.json"))
    try:
        tensors = load_file(folder / "io.safetensors")
    except SafetensorError as error:
        raise UserError(f"{folder / 'io.safetensors'}: {error}") from None
    _has(folder / "meta.json", meta, META)
    for name, published in meta["results"].items():
        if name.endswith(".ppo"):
            _has(folder / "meta.json", published, PPO)
    if meta["normalization"] not in BOUNDS:
        raise UserError(f"{folder / 'meta.json'}: normalization is one of {', '.join(BOUNDS)}")
    _has(folder / "dataset_statistics.json", statistics, [meta["unnorm_key"]])
    known = statistics[meta["unnorm_key"]]
    for what in ("action", "proprio") if meta["use_proprio"] else ("action",):
        _has(folder / "dataset_statistics.json", known.get(what, {}), BOUNDS[meta["normalization"]])
    return Reference(folder, meta, tensors, known)


def _has(path: Path, content: Mapping[str, Any], keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in content]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}; the schema is in openvla_oft_a/README.md")


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    return content


def load_model(reference: Reference) -> OpenVlaForActionPrediction:
    """The folder's checkpoint in float32, in eval mode."""
    meta = reference.meta
    config = OpenVlaConfig.from_pretrained(reference.folder)
    config.vision = meta.get("vision", config.vision)
    config.use_proprio, config.proprio_dim = meta["use_proprio"], meta.get("proprio_dim")
    model: OpenVlaForActionPrediction
    try:
        model, report = OpenVlaForActionPrediction.from_pretrained(
            reference.folder, config=config, dtype=torch.float32, output_loading_info=True
        )
    except (SafetensorError, RuntimeError) as error:  # not safetensors, or shapes that differ
        raise UserError(f"{reference.folder}: {' '.join(str(error).split())}") from None
    missing = [name for name in report["missing_keys"] if not name.startswith(PREFIX)]
    if missing or report["unexpected_keys"]:
        names = ", ".join(sorted([*missing, *report["unexpected_keys"]])[:3])
        raise UserError(f"{reference.folder / 'model.safetensors'}: missing or unexpected tensors: {names}, ...")
    load_proprio_projector(model, reference.folder)
    return model
