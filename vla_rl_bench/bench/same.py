"""Do two sides compute the same?  Asked before anything is timed; an answer of no ends the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.types import Trajectory


class Different(AssertionError):
    """Two sides of a pair do not do the same work: a defect, whatever they take."""


def same_trajectories(ours: Sequence[Trajectory], baseline: Sequence[Trajectory], *, tolerance: float = 1e-4) -> None:
    """The same episodes: starts, tokens, executed actions, outcomes, pixels; log-probs within `tolerance` nats."""
    if len(ours) != len(baseline):
        raise Different(f"{len(ours)} episodes against {len(baseline)}")
    for number, (one, other) in enumerate(zip(ours, baseline, strict=True)):
        said = (one.start, one.rollout, one.success), (other.start, other.rollout, other.success)
        if said[0] != said[1]:
            raise Different(f"episode {number}: {said[0]} against {said[1]}")
        for name in ("tokens", "steps"):
            if not np.array_equal(getattr(one, name), getattr(other, name)):
                raise Different(f"episode {number}: other {name}")
        for name, image in one.observations.images.items():
            if not np.array_equal(image, other.observations.images[name]):
                raise Different(f"episode {number}: other pixels of camera {name}")
        close(f"episode {number}: log-probs", torch.tensor(one.logprobs), torch.tensor(other.logprobs), tolerance)


def close(what: str, ours: Tensor, baseline: Tensor, tolerance: float) -> None:
    """Within `tolerance` of the largest number of both, or of 1 where that is larger."""
    if ours.shape != baseline.shape:
        raise Different(f"{what}: shapes {tuple(ours.shape)} and {tuple(baseline.shape)}")
    scale = max(1.0, float(ours.abs().max()), float(baseline.abs().max()))
    found = float((ours - baseline).abs().max())
    if not found <= tolerance * scale:
        raise Different(f"{what}: differ by {found:.2g}")


def same_gradients(ours: Sequence[Tensor], baseline: Sequence[Tensor], *, tolerance: float = 1e-4) -> None:
    """Within `tolerance` of the whole gradient's norm."""
    if len(ours) != len(baseline):
        raise Different(f"gradients of {len(ours)} parameters against {len(baseline)}")
    norm = float(torch.stack([one.norm() for one in ours]).norm())
    apart = float(torch.stack([(one - other).norm() for one, other in zip(ours, baseline, strict=True)]).norm())
    if not (norm > 0 and apart <= tolerance * norm):
        raise Different(f"gradients: norm {norm:.3g}, apart by {apart:.3g}")


class GradientsOnly:
    """A trainer that keeps each step's gradient instead of taking the step; all else is the trainer's own.

    gradients: one list a step, a tensor a parameter that has one.
    """

    def __init__(self, trainer: Trainer, policy: nn.Module) -> None:
        self._trainer, self._module = trainer, policy
        self.gradients: list[list[Tensor]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    def step(self, learning_rate: float, grad_clip: float) -> float:
        found = [one.grad for one in self._module.parameters() if one.grad is not None]
        self.gradients.append([one.clone() for one in found])
        self._module.zero_grad(set_to_none=True)
        return float(torch.stack([one.norm() for one in found]).norm())


def gradients(trainer: Trainer, policy: TokenPolicy, update: Callable[[Trainer], object]) -> list[Tensor]:
    """All gradients that an update would step along, one mini-batch after another, none of them taken."""
    keeping = GradientsOnly(trainer, cast("nn.Module", policy))
    update(cast("Trainer", keeping))
    return [one for step in keeping.gradients for one in step]
