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
    """M trajectories of C chunks each, finished or not; T = K * D tokens a chunk.

    observations: ``[M * C, ...]``, the last one repeated.  tokens: int64 ``[M, C, T]``.  old_logprobs, mask: float32
    ``[M, C, T]``.  advantages: float32 ``[M]``.  instructions: one a trajectory.
    """

    observations: Observation
    tokens: Tensor
    old_logprobs: Tensor
    mask: Tensor
    advantages: Tensor
    instructions: list[str]

    @property
    def chunks(self) -> int:
        return self.tokens.shape[1]

    def observed(self, trajectory: int, first: int, stop: int) -> Observation:
        """A trajectory's chunks from `first` to `stop`."""
        begin = trajectory * self.chunks
        return self.observations[begin + first : begin + stop]


def pad(
    groups: Sequence[Group], advantages: Tensor, instructions: Sequence[str], policy: TokenPolicy, chunks: int
) -> Padded:
    """advantages: ``[groups, rollouts]``.  instructions: by task index.  chunks: of the longest episode possible."""
    members = [one for group in groups for one in group.trajectories]
    steps = torch.stack([torch.from_numpy(_filled(one.steps, chunks, repeat=False)) for one in members])
    mask = executed_tokens(steps.flatten(), policy.chunk, policy.action_dim)
    return Padded(
        observations=Observation.concatenate([one.observations[_rows(one, chunks)] for one in members]),
        tokens=torch.from_numpy(np.stack([_filled(one.tokens, chunks) for one in members]).astype(np.int64)),
        old_logprobs=torch.from_numpy(np.stack([_filled(one.logprobs, chunks) for one in members])),
        mask=mask.view(len(members), chunks, -1),
        advantages=advantages.flatten().float(),
        instructions=[instructions[one.start.task] for one in members],
    )


def _rows(trajectory: Trajectory, chunks: int) -> NDArray[np.int64]:
    return np.minimum(np.arange(chunks), len(trajectory.steps) - 1)


def _filled(values: NDArray[np.generic], chunks: int, *, repeat: bool = True) -> NDArray[np.generic]:
    """``[c, ...] -> [chunks, ...]``: with the last one repeated, or with zeros."""
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
    draw: np.random.Generator,
) -> None:
    """One epoch; every chunk goes forward and backward.

    Of each slice the masked mean of the loss, times its share of the trajectory's tokens, over `minibatch`: together
    the mean over trajectories of each trajectory's token mean.
    """
    order = draw.permutation(len(batch.tokens))
    for first in range(0, len(order), minibatch):
        chosen = order[first : first + minibatch]
        slices = [(int(one), begin) for one in chosen for begin in range(0, batch.chunks, SLICE)]
        for number, (trajectory, begin) in enumerate(slices):
            loss = _slice_loss(trainer, batch, trajectory, begin, temperature, clip) / len(chosen)
            trainer.backward(loss, last=number == len(slices) - 1)
        trainer.step(learning_rate, grad_clip)


def _slice_loss(
    trainer: Trainer, batch: Padded, trajectory: int, begin: int, temperature: float, clip: ClipRange
) -> Tensor:
    stop = min(begin + SLICE, batch.chunks)
    tokens, mask = batch.tokens[trajectory, begin:stop], batch.mask[trajectory, begin:stop]
    told = [batch.instructions[trajectory]] * (stop - begin)
    inputs = trainer.policy.collate(batch.observed(trajectory, begin, stop), told)
    logprobs = token_logprobs(trainer.forward(inputs | {"tokens": tokens}), tokens, temperature)
    advantages = batch.advantages[trajectory].expand_as(logprobs)
    objective = clipped(logprobs, batch.old_logprobs[trajectory, begin:stop], advantages, clip)
    return -(objective * mask).sum() / batch.mask[trajectory].sum()


def old_logprobs(trainer: Trainer, batch: Padded, temperature: float) -> Tensor:
    """-> float32 ``[M, C, T]``: every chunk forwarded again, without gradients."""
    parts = [token_logprobs(logits, tokens, temperature) for logits, tokens in _forwards(trainer, batch)]
    return torch.cat(parts).view(batch.tokens.shape)


def entropy(trainer: Trainer, batch: Padded, temperature: float) -> float:
    """Mean entropy of the executed tokens, nats: every chunk forwarded again, without gradients."""
    found = torch.cat([token_entropy(logits, temperature) for logits, _ in _forwards(trainer, batch)])
    return float((found.view(batch.mask.shape) * batch.mask).sum() / batch.mask.sum())


@torch.no_grad()
def _forwards(trainer: Trainer, batch: Padded) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits ``[n, T, bins]`` and tokens ``[n, T]`` of all chunks."""
    tokens = batch.tokens.flatten(0, 1)
    told = [one for one in batch.instructions for _ in range(batch.chunks)]
    with trainer.acting() as policy:
        for first in range(0, len(tokens), PASS):
            rows = slice(first, first + PASS)
            inputs = policy.collate(batch.observations[rows], told[rows])
            yield policy(inputs | {"tokens": tokens[rows]}), tokens[rows]
