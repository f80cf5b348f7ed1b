"""The environment's own expert as a policy that a suite evaluates and compares like any other."""

from __future__ import annotations

from torch import nn

from vla_rl_bench.entries import NoOptions
from vla_rl_bench.interfaces import PolicyBase
from vla_rl_bench.types import EnvironmentSpec


class Expert(PolicyBase, nn.Module):
    """A module without weights: the environment's `demonstrate` plays the episodes."""


def make(spec: EnvironmentSpec, options: NoOptions, seed: int) -> Expert:
    """Make the policy; it depends on nothing."""
    return Expert()
