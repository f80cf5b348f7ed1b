"""The padded update: every trajectory filled up to the step limit, a mask over it, fixed slices through the model.

The schedule of SimpleVLA-RL's ``dp_rob.py`` (``update_policy``, ``_forward_micro_batch``), in our own words: all chunks
of the longest episode possible go through forward and backward, and the mask zeroes the loss of those never played.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vla_rl_bench.algorithms.aggregation import AGGREGATES
from vla_rl_bench.algorithms.masks import executed_tokens
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.types import ClipRange, Group, Observation, Trajectory

SLICE = 16  # chunks of a forward: `traj_mini_batch_size` of SimpleVLA-RL's scripts


@dataclass(frozen=True)
class Padded:
    """M trajectories of L chunks each, T = K * D tokens a chunk; row m * L + c is chunk c of trajectory m.

    tokens: int64 ``[M*L, T]``.  old_logprobs, mask: float32 ``[M*L, T]``.  trajectory: int64 ``[M*L]``.
    advantages: float32 ``[M]``.
    """

    observations: Observation
    instructions: list[str]
    tokens: Tensor
    old_logprobs: Tensor
    mask: Tensor
    trajectory: Tensor
    advantages: Tensor

    @property
    def valid(self) -> float:
        """The share of the chunks that were played."""
        return float((self.mask.sum(1) > 0).float().mean())


def pad(groups: Sequence[Group], advantages: Tensor, instructions: Sequence[str], policy: Any, chunks: int) -> Padded:
    """advantages: ``[groups, rollouts]``.  instructions: by task index.  chunks: L, the step limit in chunks."""
    trajectories = [trajectory for group in groups for trajectory in group.trajectories]
    steps = np.concatenate([np.pad(one.steps, (0, chunks - len(one.steps))) for one in trajectories])
    return Padded(
        observations=Observation.concatenate([_filled(one, chunks) for one in trajectories]),
        instructions=[instructions[one.start.task] for one in trajectories for _ in range(chunks)],
        tokens=torch.from_numpy(_rows(trajectories, "tokens", chunks).astype(np.int64)),
        old_logprobs=torch.from_numpy(_rows(trajectories, "logprobs", chunks)),
        mask=executed_tokens(torch.from_numpy(steps), policy.chunk, policy.action_dim),
        trajectory=torch.arange(len(trajectories)).repeat_interleave(chunks),
        advantages=advantages.flatten().float(),
    )


def _filled(trajectory: Trajectory, chunks: int) -> Observation:
    """The last frame again and again: what peers' finished environments go on to send."""
    return trajectory.observations[np.minimum(np.arange(chunks), len(trajectory.steps) - 1)]


def _rows(trajectories: Sequence[Trajectory], name: str, chunks: int) -> Any:
    return np.concatenate(
        [np.pad(getattr(one, name), ((0, chunks - len(one.steps)), (0, 0))) for one in trajectories], axis=0
    )


def backward(
    policy: Any, padded: Padded, *, temperature: float, clip: ClipRange, aggregate: str, rows: int = SLICE
) -> float:
    """Forward and backward over all slices -> the loss; the gradients are added to the parameters."""
    weights = AGGREGATES[aggregate](padded.mask, padded.trajectory)
    total = 0.0
    for first in range(0, len(padded.tokens), rows):
        part = slice(first, first + rows)
        inputs = policy.collate(padded.observations[part], padded.instructions[part])
        logits = policy(inputs | {"tokens": padded.tokens[part]})
        logprobs = token_logprobs(logits, padded.tokens[part], temperature)
        advantages = padded.advantages[padded.trajectory[part]][:, None].expand_as(logprobs)
        loss = -(clipped(logprobs, padded.old_logprobs[part], advantages, clip) * weights[part]).sum()
        loss.backward()
        total += float(loss.detach())
    return total
