"""One pass of gradient steps over a batch: only executed chunks, packed; behaviour log-probs as they were stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vla_rl_bench.algorithms.aggregation import AGGREGATES
from vla_rl_bench.algorithms.masks import executed_tokens
from vla_rl_bench.algorithms.objectives import clipped_tokens
from vla_rl_bench.algorithms.sampling import token_entropy, token_logprobs
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.engine.hooks import Engine
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.types import ClipRange, Group, Observation

Objective = Callable[[Tensor, Tensor, Tensor, ClipRange], Tensor]


@dataclass(frozen=True)
class Batch:
    """Trajectories packed chunk after chunk: N chunks of M trajectories, T = K * D tokens a chunk.

    old_logprobs, mask: float32 ``[N, T]``.  tokens: int64 ``[N, T]``.  trajectory: int64 ``[N]``.
    advantages: float32 ``[M]``, one a trajectory: each of its tokens gets it.
    """

    observations: Observation
    instructions: list[str]
    tokens: Tensor
    old_logprobs: Tensor
    mask: Tensor
    trajectory: Tensor
    advantages: Tensor

    @property
    def trajectories(self) -> int:
        return len(self.advantages)


def pack(groups: Sequence[Group], advantages: Tensor, instructions: Sequence[str], policy: TokenPolicy) -> Batch:
    """advantages: ``[groups, rollouts]``.  instructions: by task index."""
    trajectories = [trajectory for group in groups for trajectory in group.trajectories]
    chunks = [len(trajectory.steps) for trajectory in trajectories]
    steps = torch.from_numpy(np.concatenate([trajectory.steps for trajectory in trajectories]))
    return Batch(
        observations=Observation.concatenate([trajectory.observations for trajectory in trajectories]),
        instructions=[instructions[t.start.task] for t, n in zip(trajectories, chunks, strict=True) for _ in range(n)],
        tokens=torch.from_numpy(np.concatenate([trajectory.tokens for trajectory in trajectories]).astype(np.int64)),
        old_logprobs=torch.from_numpy(np.concatenate([trajectory.logprobs for trajectory in trajectories])),
        mask=executed_tokens(steps, policy.chunk, policy.action_dim),
        trajectory=torch.arange(len(trajectories)).repeat_interleave(torch.tensor(chunks)),
        advantages=advantages.flatten().float(),
    )


def minibatches(batch: Batch, size: int, draw: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Chunk rows of `size` whole trajectories at a time, in a drawn order."""
    order = draw.permutation(batch.trajectories)
    owner = batch.trajectory.numpy()
    for first in range(0, len(order), size):
        yield np.flatnonzero(np.isin(owner, order[first : first + size]))


def update(
    policy: TokenPolicy,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: RlConfig,
    engine: Engine,
    objective: Objective,
    *,
    temperature: float,
    clip: ClipRange,
    draw: np.random.Generator,
) -> dict[str, float]:
    """One epoch, an optimiser step a mini-batch -> metrics averaged over executed tokens (grad_norm: over steps)."""
    assert isinstance(policy, nn.Module)
    policy.train()
    sums: dict[str, float] = {}
    norms = []
    for rows in minibatches(batch, config.minibatch, draw):
        optimizer.zero_grad(set_to_none=True)
        _, local = torch.unique(batch.trajectory[rows], return_inverse=True)
        weights = AGGREGATES[config.aggregate](batch.mask[rows], local)
        for part in torch.arange(len(rows)).split(config.microbatch):
            found = _backward(policy, batch, rows[part.numpy()], weights[part], engine, objective, temperature, clip)
            sums = {name: sums.get(name, 0.0) + value for name, value in found.items()}
        norms.append(float(nn.utils.clip_grad_norm_(policy.parameters(), config.grad_clip)))
        warm = min(1.0, (steps_taken(optimizer) + 1) / max(config.warmup, 1))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * warm
        optimizer.step()
    tokens = float(batch.mask.sum())
    means = {name: value / tokens for name, value in sums.items()}
    return means | {"grad_norm": float(np.mean(norms)), "updates": float(len(norms))}


def _backward(
    policy: TokenPolicy,
    batch: Batch,
    rows: NDArray[np.int64],
    weights: Tensor,
    engine: Engine,
    objective: Objective,
    temperature: float,
    clip: ClipRange,
) -> dict[str, float]:
    """Add a micro-batch's gradient -> sums over its executed tokens."""
    logits = policy.forward(policy.collate(batch.observations[rows], [batch.instructions[row] for row in rows]))
    logprobs = token_logprobs(logits, batch.tokens[rows].to(logits.device), temperature).cpu()
    entropy = token_entropy(logits, temperature).cpu()
    old, mask = batch.old_logprobs[rows], batch.mask[rows]
    advantages = batch.advantages[batch.trajectory[rows]][:, None].expand_as(logprobs)
    loss = -(objective(logprobs, old, advantages, clip) * weights).sum()
    for term in engine.loss_terms(logprobs=logprobs, entropy=entropy, mask=mask).values():
        loss = loss + term * weights.sum()  # the micro-batch's share of the mini-batch
    loss.backward()
    with torch.no_grad():
        return {
            "entropy": float((entropy * mask).sum()),
            "clip_fraction": float((clipped_tokens(logprobs, old, advantages, clip) * mask).sum()),
            "kl": float(((old - logprobs) * mask).sum()),
        }


def steps_taken(optimizer: torch.optim.Optimizer) -> int:
    """Optimiser steps so far, from the optimiser's own state, so that it survives a checkpoint."""
    for state in optimizer.state.values():
        return int(state["step"])
    return 0
