"""Checkpoints that a run resumes from, and the policies that other runs start at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from vla_rl_bench.results.store import write_bytes


def save_checkpoint(path: Path, step: int, policy: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """step: SFT steps or RL iterations done."""
    buffer = io.BytesIO()
    torch.save({"step": step, "policy": policy.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, policy: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """-> the step it was saved at; 0 when there is none."""
    if not path.exists():
        return 0
    saved: dict[str, Any] = torch.load(path, weights_only=True)
    policy.load_state_dict(saved["policy"])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


def save_policy(path: Path, policy: nn.Module) -> None:
    write_bytes(path, safetensors.torch.save({name: value.contiguous() for name, value in policy.state_dict().items()}))


def load_policy(path: Path, policy: nn.Module) -> None:
    policy.load_state_dict(safetensors.torch.load(path.read_bytes()))
