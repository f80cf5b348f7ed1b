"""The environment's own expert as a policy: a suite evaluates it, and compares it, like any other."""

from __future__ import annotations

from torch import nn

from vla_rl_bench.entries import NoOptions
from vla_rl_bench.types import EnvironmentSpec


def make(spec: EnvironmentSpec, options: NoOptions, seed: int) -> nn.Module:
    """A module without weights: `Environment.demonstrate` plays the episodes."""
    return nn.Module()
