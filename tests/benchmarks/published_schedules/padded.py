"""Updates on padded trajectories, as SimpleVLA-RL (github.com/PRIME-RL/SimpleVLA-RL at 7c51662) computes them.

Follows ``verl/workers/actor/dp_rob.py``: ``update_policy`` (micro-batches of one trajectory, whose chunks are fed in
slices of ``traj_mini_batch_size`` = 16, those after the end as well: forward and backward over a mask of zeros),
``compute_log_prob`` (the old log-probs once more, over all chunks of all trajectories, although sampling had the
logits) and ``compute_entropy`` (once more for a line of the log).  RLinf's LIBERO path (github.com/RLinf/RLinf at
a3816b5) pads and masks alike, in other slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vla_rl_bench.algorithms.masks import executed_tokens
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.algorithms.sampling import token_entropy, token_logprobs
from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.types import ClipRange, Group, Observation, Trajectory

SLICE = 16  # chunks in one forward of the update: traj_mini_batch_size
PASS = 256  # chunks in one forward of the two passes without gradients: log_prob_micro_batch_size


@dataclass(frozen=True)
class Padded:
    """M trajectories of C chunks each, finished or not; T = K * D tokens in a chunk."""

    observations: Observation  # [M * C, ...], the last one repeated
    tokens: Tensor  # int64 [M, C, T]
    old_logprobs: Tensor  # float32 [M, C, T]
    mask: Tensor  # float32 [M, C, T]
    advantages: Tensor  # float32 [M]
    instructions: list[str]  # one for each trajectory

    @property
    def chunks(self) -> int:
        return self.tokens.shape[1]

    def rows(self, trajectory: int, first: int, stop: int) -> Observation:
        """Observations of a trajectory's chunks from `first` to `stop`."""
        begin = trajectory * self.chunks
        return self.observations[begin + first : begin + stop]


def pad(
    groups: Sequence[Group], advantages: Tensor, instructions: Sequence[str], policy: TokenPolicy, chunks: int
) -> Padded:
    """Pad the groups' trajectories.

    Args:
        groups: The rollouts.
        advantages: ``[groups, rollouts]``.
        instructions: By task index.
        policy: The policy that rolled them out.
        chunks: Of the longest episode possible.
    """
    members = [trajectory for group in groups for trajectory in group.trajectories]
    steps = torch.stack([torch.from_numpy(_filled(member.steps, chunks, repeat=False)) for member in members])
    mask = executed_tokens(steps.flatten(), policy.chunk, policy.action_dim)
    return Padded(
        observations=Observation.concatenate([member.observations[_rows(member, chunks)] for member in members]),
        tokens=torch.from_numpy(np.stack([_filled(member.tokens, chunks) for member in members]).astype(np.int64)),
        old_logprobs=torch.from_numpy(np.stack([_filled(member.logprobs, chunks) for member in members])),
        mask=mask.view(len(members), chunks, -1),
        advantages=advantages.flatten().float(),
        instructions=[instructions[member.start.task] for member in members],
    )


def _rows(trajectory: Trajectory, chunks: int) -> NDArray[np.int64]:
    return np.minimum(np.arange(chunks), len(trajectory.steps) - 1)


def _filled(values: NDArray[np.generic], chunks: int, *, repeat: bool = True) -> NDArray[np.generic]:
    """Fill ``[c, ...]`` up to ``[chunks, ...]`` with copies of the last value, or with zeros."""
    filled = values[np.minimum(np.arange(chunks), len(values) - 1)]
    if not repeat:
        filled[len(values) :] = 0
    return filled


def update(
    trainer: Trainer,
    batch: Padded,
    *,
    minibatch: int,
    temperature: float,
    clip: ClipRange,
    learning_rate: float,
    grad_clip: float,
    rng: np.random.Generator,
) -> None:
    """Train one epoch; every chunk goes forward and backward.

    The loss is the mean over trajectories of each trajectory's token mean, summed slice by slice.
    """
    order = rng.permutation(len(batch.tokens))
    for first in range(0, len(order), minibatch):
        chosen = order[first : first + minibatch]
        slices = [(int(trajectory), begin) for trajectory in chosen for begin in range(0, batch.chunks, SLICE)]
        for number, (trajectory, begin) in enumerate(slices):
            loss = _slice_loss(trainer, batch, trajectory, begin, temperature, clip) / len(chosen)
            trainer.backward(loss, last=number == len(slices) - 1)
        trainer.step(learning_rate, grad_clip)


def _slice_loss(
    trainer: Trainer, batch: Padded, trajectory: int, begin: int, temperature: float, clip: ClipRange
) -> Tensor:
    stop = min(begin + SLICE, batch.chunks)
    tokens, mask = batch.tokens[trajectory, begin:stop], batch.mask[trajectory, begin:stop]
    instructions = [batch.instructions[trajectory]] * (stop - begin)
    inputs = trainer.policy.collate(batch.rows(trajectory, begin, stop), instructions)
    logprobs = token_logprobs(trainer.forward(inputs | {"tokens": tokens}), tokens, temperature)
    advantages = batch.advantages[trajectory].expand_as(logprobs)
    objective = clipped(logprobs, batch.old_logprobs[trajectory, begin:stop], advantages, clip)
    return -(objective * mask).sum() / batch.mask[trajectory].sum()


def old_logprobs(trainer: Trainer, batch: Padded, temperature: float) -> Tensor:
    """Forward every chunk again without gradients -> float32 ``[M, C, T]``."""
    parts = [token_logprobs(logits, tokens, temperature) for logits, tokens in _forwards(trainer, batch)]
    return torch.cat(parts).view(batch.tokens.shape)


def entropy(trainer: Trainer, batch: Padded, temperature: float) -> float:
    """Forward every chunk again without gradients -> mean entropy of the executed tokens in nats."""
    entropies = torch.cat([token_entropy(logits, temperature) for logits, _ in _forwards(trainer, batch)])
    return float((entropies.view(batch.mask.shape) * batch.mask).sum() / batch.mask.sum())


@torch.no_grad()
def _forwards(trainer: Trainer, batch: Padded) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits ``[n, T, bins]`` and tokens ``[n, T]`` of all chunks."""
    tokens = batch.tokens.flatten(0, 1)
    instructions = [text for text in batch.instructions for _ in range(batch.chunks)]
    with trainer.acting() as policy:
        for first in range(0, len(tokens), PASS):
            rows = slice(first, first + PASS)
            inputs = policy.collate(batch.observations[rows], instructions[rows])
            yield policy(inputs | {"tokens": tokens[rows]}), tokens[rows]
