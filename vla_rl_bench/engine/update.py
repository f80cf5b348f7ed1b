"""One pass of gradient steps over a batch: executed chunks only, packed; behavior log-probs as they were stored."""

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
from vla_rl_bench.engine.memory import activation_bytes, largest_microbatch, preserve_rng_state
from vla_rl_bench.interfaces import Ranks, TokenPolicy, Trainer
from vla_rl_bench.types import ClipRange, Group, Observation

Objective = Callable[[Tensor, Tensor, Tensor, ClipRange], Tensor]


@dataclass(frozen=True)
class LossSettings:
    """The loss of one iteration."""

    objective: Objective
    clipped_tokens: Objective | None  # marks the tokens that the objective clips; None: no `clip_fraction` is recorded
    clip: ClipRange
    temperature: float  # of the rollouts; the new log-probs are taken at the same one


@dataclass(frozen=True)
class Batch:
    """N chunks of M trajectories, packed chunk after chunk; T = K * D tokens per chunk."""

    observations: Observation
    instructions: list[str]
    tokens: Tensor  # int64 [N, T]
    old_logprobs: Tensor  # float32 [N, T]
    mask: Tensor  # float32 [N, T]; 1 if the token's action was executed
    trajectory: Tensor  # int64 [N], index of the chunk's trajectory
    advantages: Tensor  # float32 [M], one per trajectory: each of its tokens gets it

    @property
    def trajectories(self) -> int:
        return len(self.advantages)

    def part(self, rows: NDArray[np.int64]) -> Batch:
        """Select chunks; the trajectories keep their indices."""
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
        """The same chunks with every token masked."""
        return replace(self, mask=torch.zeros_like(self.mask))


def pack(groups: Sequence[Group], advantages: Tensor, instructions: Sequence[str], policy: TokenPolicy) -> Batch:
    """Pack the trajectories of groups into one batch.

    Args:
        advantages: Float ``[groups, rollouts]``.
        instructions: By task index.
    """
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


def minibatches(batch: Batch, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the chunk rows of `size` whole trajectories at a time, in random order."""
    order = rng.permutation(batch.trajectories)
    trajectory = batch.trajectory.numpy()
    for first in range(0, len(order), size):
        yield np.flatnonzero(np.isin(trajectory, order[first : first + size]))


def update(
    trainer: Trainer,
    batch: Batch,
    config: RlConfig,
    hooks: RunHooks,
    loss: LossSettings,
    ranks: Ranks,
    rng: np.random.Generator,
    microbatch: int | None = None,
) -> dict[str, float]:
    """Train for one epoch, with one optimizer step per mini-batch.

    Every rank has the whole batch and forwards its share of each mini-batch.

    Args:
        rng: Orders the trajectories.
        microbatch: Chunks in one forward; None: ``config.microbatch``.

    Returns:
        Metrics averaged over executed tokens; ``loss`` and ``grad_norm`` averaged over optimizer steps.
    """
    sums: dict[str, float] = {}
    norms = []
    for rows in minibatches(batch, config.minibatch, rng):
        _, trajectory = torch.unique(batch.trajectory[rows], return_inverse=True)
        weights = AGGREGATES[config.aggregate](batch.mask[rows], trajectory)
        parts = split_microbatches(len(rows), microbatch or config.microbatch, ranks)
        for index, part in enumerate(parts):
            micro, micro_weights = batch.part(rows[part]), weights[part]
            if not len(part):  # forward any row, since the other ranks do, and count nothing
                micro, micro_weights = batch.part(rows[:1]).unexecuted(), torch.zeros_like(weights[:1])
            last = index == len(parts) - 1
            for name, value in _backward(trainer, micro, micro_weights, hooks, loss, last=last).items():
                sums[name] = sums.get(name, 0.0) + value
        warmup = min(1.0, (trainer.steps_taken + 1) / max(config.warmup, 1))
        norms.append(trainer.step(config.learning_rate * warmup, config.grad_clip))
    tokens = float(batch.mask.sum())
    rank_sums = ranks.all_gather(sums)
    sums = {name: sum(rank[name] for rank in rank_sums) for name in sums}
    mean_loss = sums.pop("loss") / len(norms)
    means = {name: value / tokens for name, value in sums.items()}
    return means | {"loss": mean_loss, "grad_norm": float(np.mean(norms)), "updates": float(len(norms))}


def _inputs(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    """Inputs of the policy's forward, on the CPU."""
    return trainer.policy.collate(batch.observations, batch.instructions) | {"tokens": batch.tokens}


def _backward(
    trainer: Trainer, batch: Batch, weights: Tensor, hooks: RunHooks, settings: LossSettings, *, last: bool
) -> dict[str, float]:
    """Add a micro-batch's gradient; return sums over its executed tokens."""
    logits = trainer.forward(_inputs(trainer, batch))
    logprobs = token_logprobs(logits, batch.tokens.to(logits.device), settings.temperature).cpu()
    entropy = token_entropy(logits, settings.temperature).cpu()
    old, mask = batch.old_logprobs, batch.mask
    advantages = batch.advantages[batch.trajectory][:, None].expand_as(logprobs)
    loss = -(settings.objective(logprobs, old, advantages, settings.clip) * weights).sum()
    for term in hooks.loss_terms(logprobs=logprobs, entropy=entropy, mask=mask).values():
        loss = loss + term * weights.sum()  # the micro-batch's share of the mini-batch
    trainer.backward(loss, last=last)
    with torch.no_grad():
        sums = {
            "loss": float(loss.detach()),
            "entropy": float((entropy * mask).sum()),
            "kl": float(((old - logprobs) * mask).sum()),
        }
        if settings.clipped_tokens:
            clipped = settings.clipped_tokens(logprobs, old, advantages, settings.clip)
            sums["clip_fraction"] = float((clipped * mask).sum())
    return sums


def measure_microbatch(
    trainer: Trainer, batch: Batch, budget_gb: float, hooks: RunHooks, loss: LossSettings, ranks: Ranks
) -> int:
    """Measure the largest number of chunks in one forward whose activations fit `budget_gb` on every rank.

    Measured on the chunk with the longest instruction, with weights of 0: the gradients that this adds are zeros.
    """
    longest = int(np.argmax([len(instruction) for instruction in batch.instructions]))

    def forward_and_backward(chunks: int) -> None:
        part = batch.part(np.full(chunks, longest))
        _backward(trainer, part, torch.zeros_like(part.mask), hooks, loss, last=False)

    with preserve_rng_state():
        with torch.no_grad():
            device = trainer.forward(_inputs(trainer, batch.part(np.array([longest])))).device
        forward_and_backward(1)  # allocates gradients, work spaces and the like
        measured = [activation_bytes(device, partial(forward_and_backward, chunks)) for chunks in (1, 2)]
    return min(largest_microbatch(budget_gb, *rank_measured) for rank_measured in ranks.all_gather(measured))


def logprob_difference(trainer: Trainer, batch: Batch, ranks: Ranks, temperature: float, chunks: int) -> float:
    """Return the largest difference between stored behavior log-probs and those of a forward in train mode.

    Before any optimizer step the two are the same policy.

    Args:
        chunks: Number of chunks to compare, from the first on.
    """
    part = batch.part(np.arange(min(chunks, len(batch.tokens))))
    inputs = _inputs(trainer, part)
    with torch.no_grad(), preserve_rng_state():
        logits = trainer.forward(inputs)
        fresh = token_logprobs(logits, part.tokens.to(logits.device), temperature).cpu()
    local_max = float(((fresh - part.old_logprobs).abs() * part.mask).max())
    return max(ranks.all_gather(local_max))
