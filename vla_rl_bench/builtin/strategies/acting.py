"""A policy where its weights live: inputs are brought to them, and forwards run in the run's precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from vla_rl_bench.interfaces import PolicyBase, TokenPolicy
from vla_rl_bench.types import FloatArray, Observation


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """The context of a forward: bfloat16 autocast, or nothing."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


class Placed(PolicyBase):
    """`vla_rl_bench.interfaces.TokenPolicy` on a device and in a precision, around one that knows of neither."""

    def __init__(self, policy: TokenPolicy, device: torch.device, precision: str) -> None:
        self.policy, self.device, self.precision = policy, device, precision
        self.chunk, self.action_dim, self.bins = policy.chunk, policy.action_dim, policy.bins
        self.normalize: Callable[[FloatArray], FloatArray] = policy.normalize
        self.unnormalize: Callable[[FloatArray], FloatArray] = policy.unnormalize
        self.is_autoregressive = policy.is_autoregressive

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return self.policy.collate(observations, instructions)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        with autocast(self.device, self.precision):
            return self.policy(self.to_device(inputs))

    def draw(self, inputs: Mapping[str, Tensor], choose: Callable[..., Any]) -> tuple[Tensor, Tensor]:
        with autocast(self.device, self.precision):
            return self.policy.draw(self.to_device(inputs), choose)

    def to_device(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.device, non_blocking=True) for name, value in inputs.items()}


def module_of(policy: TokenPolicy) -> nn.Module:
    """The policy as the module that it must be."""
    if not isinstance(policy, nn.Module):
        raise TypeError(f"{type(policy).__name__} is not a torch.nn.Module, and a policy must be one")
    return policy
