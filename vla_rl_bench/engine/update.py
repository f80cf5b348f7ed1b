"""One pass of gradient steps over a batch: only executed chunks, packed; behaviour log-probs as they were stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vla_rl_bench.algorithms.aggregation import AGGREGATES
from vla_rl_bench.algorithms.masks import executed_tokens
from vla_rl_bench.algorithms.sampling import token_entropy, token_logprobs
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.engine.distributed import split_microbatches
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.microbatch import activation_bytes, fitting, preserve_rng_state
from vla_rl_bench.interfaces import Ranks, TokenPolicy, Trainer
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

    def part(self, rows: NDArray[np.int64]) -> Batch:
        """Some of the chunks; the trajectories keep their numbers."""
        return replace(
            self,
            observations=self.observations[rows],
            instructions=[self.instructions[row] for row in rows],
            tokens=self.tokens[rows],
            old_logprobs=self.old_logprobs[rows],
            mask=self.mask[rows],
            trajectory=self.trajectory[rows],
        )

    def unexecuted(self) -> Batch:
        """The same chunks as if no action of them had been executed."""
        return replace(self, mask=torch.zeros_like(self.mask))


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
    trainer: Trainer,
    batch: Batch,
    config: RlConfig,
    engine: RunHooks,
    objective: Objective,
    ranks: Ranks,
    *,
    temperature: float,
    clip: ClipRange,
    draw: np.random.Generator,
    microbatch: int | None = None,
    clipped_tokens: Objective | None = None,
) -> dict[str, float]:
    """One epoch, an optimiser step a mini-batch -> metrics averaged over executed tokens (loss and grad_norm:
    over optimiser steps).

    Every rank has the whole batch and forwards its share of each mini-batch.
    microbatch: chunks in one forward; ``config.microbatch`` if none is given.
    clipped_tokens: the objective's clip, of the same arguments; without it there is no `clip_fraction`.
    """
    sums: dict[str, float] = {}
    norms = []
    for rows in minibatches(batch, config.minibatch, draw):
        _, local = torch.unique(batch.trajectory[rows], return_inverse=True)
        weights = AGGREGATES[config.aggregate](batch.mask[rows], local)
        parts = split_microbatches(len(rows), microbatch or config.microbatch, ranks)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            share = batch.part(rows[part]), weights[part]
            if not len(part):  # forward something, since the other ranks do, and count nothing
                share = batch.part(rows[:1]).unexecuted(), torch.zeros_like(weights[:1])
            found = _backward(trainer, *share, engine, objective, temperature, clip, clipped_tokens, last=last)
            sums = {name: sums.get(name, 0.0) + value for name, value in found.items()}
        warm = min(1.0, (trainer.steps_taken + 1) / max(config.warmup, 1))
        norms.append(trainer.step(config.learning_rate * warm, config.grad_clip))
    tokens = float(batch.mask.sum())
    everyone = ranks.all_gather(sums)
    sums = {name: sum(one[name] for one in everyone) for name in sums}
    loss = sums.pop("loss") / len(norms)
    means = {name: value / tokens for name, value in sums.items()}
    return means | {"loss": loss, "grad_norm": float(np.mean(norms)), "updates": float(len(norms))}


def _inputs(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    """What the policy's forward takes, on the CPU."""
    return trainer.policy.collate(batch.observations, batch.instructions) | {"tokens": batch.tokens}


def _backward(
    trainer: Trainer,
    batch: Batch,
    weights: Tensor,
    engine: RunHooks,
    objective: Objective,
    temperature: float,
    clip: ClipRange,
    clipped_tokens: Objective | None = None,
    *,
    last: bool,
) -> dict[str, float]:
    """Add a micro-batch's gradient -> sums over its executed tokens.  batch: the micro-batch alone."""
    logits = trainer.forward(_inputs(trainer, batch))
    logprobs = token_logprobs(logits, batch.tokens.to(logits.device), temperature).cpu()
    entropy = token_entropy(logits, temperature).cpu()
    old, mask = batch.old_logprobs, batch.mask
    advantages = batch.advantages[batch.trajectory][:, None].expand_as(logprobs)
    loss = -(objective(logprobs, old, advantages, clip) * weights).sum()
    for term in engine.loss_terms(logprobs=logprobs, entropy=entropy, mask=mask).values():
        loss = loss + term * weights.sum()  # the micro-batch's share of the mini-batch
    trainer.backward(loss, last=last)
    with torch.no_grad():
        sums = {
            "loss": float(loss.detach()),
            "entropy": float((entropy * mask).sum()),
            "kl": float(((old - logprobs) * mask).sum()),
        }
        if clipped_tokens:
            sums["clip_fraction"] = float((clipped_tokens(logprobs, old, advantages, clip) * mask).sum())
    return sums


def measure_microbatch(
    trainer: Trainer,
    batch: Batch,
    budget_gb: float,
    engine: RunHooks,
    objective: Objective,
    ranks: Ranks,
    *,
    temperature: float,
    clip: ClipRange,
) -> int:
    """The most chunks in one forward whose activations take at most `budget_gb` on every rank.

    Measured on the chunk with the longest instruction, with weights of 0: the gradients that this adds are zeros.
    """
    longest = int(np.argmax([len(instruction) for instruction in batch.instructions]))

    def work(chunks: int) -> None:
        part = batch.part(np.full(chunks, longest))
        nothing = torch.zeros_like(part.mask)
        _backward(trainer, part, nothing, engine, objective, temperature, clip, last=False)

    with preserve_rng_state():
        with torch.no_grad():
            device = trainer.forward(_inputs(trainer, batch.part(np.array([longest])))).device
        work(1)  # allocates gradients, work spaces and the like
        needed = [activation_bytes(device, partial(work, chunks)) for chunks in (1, 2)]
    return min(fitting(budget_gb, *one) for one in ranks.all_gather(needed))


def logprob_difference(trainer: Trainer, batch: Batch, ranks: Ranks, *, temperature: float, chunks: int) -> float:
    """The largest difference between the stored behaviour log-probs and those of the update's own forward.

    chunks: looked at, from the first on.  Before any optimiser step the two are the same policy.
    """
    part = batch.part(np.arange(min(chunks, len(batch.tokens))))
    inputs = _inputs(trainer, part)
    with torch.no_grad(), preserve_rng_state():
        logits = trainer.forward(inputs)
        fresh = token_logprobs(logits, part.tokens.to(logits.device), temperature).cpu()
    here = float(((fresh - part.old_logprobs).abs() * part.mask).max())
    return max(ranks.all_gather(here))
