"""The environment's own expert as a policy that a suite evaluates and compares like any other."""

from __future__ import annotations

from torch import nn

from vla_rl_bench.entries import NoOptions
from vla_rl_bench.types import EnvironmentSpec


def make(spec: EnvironmentSpec, options: NoOptions, seed: int) -> nn.Module:
    """Make a module without weights: `Environment.demonstrate` plays the episodes."""
    return nn.Module()
