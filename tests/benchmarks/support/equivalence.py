"""Checks that two sides compute the same, made before anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.types import Trajectory


class Different(AssertionError):
    """The two sides of a pair do not do the same work: a defect, however fast they are."""


def same_trajectories(ours: Sequence[Trajectory], baseline: Sequence[Trajectory], *, tolerance: float = 1e-4) -> None:
    """Require equal starts, tokens, executed actions, outcomes and pixels, and log-probs within `tolerance` nats."""
    if len(ours) != len(baseline):
        raise Different(f"{len(ours)} episodes against {len(baseline)}")
    for number, (left, right) in enumerate(zip(ours, baseline, strict=True)):
        outcomes = (left.start, left.rollout, left.success), (right.start, right.rollout, right.success)
        if outcomes[0] != outcomes[1]:
            raise Different(f"episode {number}: {outcomes[0]} against {outcomes[1]}")
        for name in ("tokens", "steps"):
            if not np.array_equal(getattr(left, name), getattr(right, name)):
                raise Different(f"episode {number}: {name} differ")
        for name, image in left.observations.images.items():
            if not np.array_equal(image, right.observations.images[name]):
                raise Different(f"episode {number}: pixels of camera {name} differ")
        close(f"episode {number}: log-probs", torch.tensor(left.logprobs), torch.tensor(right.logprobs), tolerance)


def close(name: str, ours: Tensor, baseline: Tensor, tolerance: float) -> None:
    """Require a difference within `tolerance` times the larger of 1 and the largest absolute value of both."""
    if ours.shape != baseline.shape:
        raise Different(f"{name}: shapes {tuple(ours.shape)} and {tuple(baseline.shape)}")
    scale = max(1.0, float(ours.abs().max()), float(baseline.abs().max()))
    difference = float((ours - baseline).abs().max())
    if not difference <= tolerance * scale:
        raise Different(f"{name}: differ by {difference:.2g}")


def same_gradients(ours: Sequence[Tensor], baseline: Sequence[Tensor], *, tolerance: float = 1e-4) -> None:
    """Require a difference within `tolerance` times the norm of the whole gradient."""
    if len(ours) != len(baseline):
        raise Different(f"gradients of {len(ours)} parameters against {len(baseline)}")
    norm = float(torch.stack([gradient.norm() for gradient in ours]).norm())
    distances = [(left - right).norm() for left, right in zip(ours, baseline, strict=True)]
    distance = float(torch.stack(distances).norm())
    if not (norm > 0 and distance <= tolerance * norm):
        raise Different(f"gradients: norm {norm:.3g}, distance {distance:.3g}")


class GradientRecorder:
    """A trainer that records each step's gradient instead of taking the step; all else is the trainer's own."""

    gradients: list[list[Tensor]]  # one list for each step, one tensor for each parameter that has a gradient

    def __init__(self, trainer: Trainer, policy: nn.Module) -> None:
        self._trainer, self._module = trainer, policy
        self.gradients = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    def step(self, learning_rate: float, grad_clip: float) -> float:
        gradients = [parameter.grad for parameter in self._module.parameters() if parameter.grad is not None]
        self.gradients.append([gradient.clone() for gradient in gradients])
        self._module.zero_grad(set_to_none=True)
        return float(torch.stack([gradient.norm() for gradient in gradients]).norm())


def gradients(trainer: Trainer, policy: TokenPolicy, update: Callable[[Trainer], object]) -> list[Tensor]:
    """Collect all gradients of an update, mini-batch after mini-batch, without taking any step."""
    recorder = GradientRecorder(trainer, cast("nn.Module", policy))
    update(cast("Trainer", recorder))
    return [gradient for step in recorder.gradients for gradient in step]
