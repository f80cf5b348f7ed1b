"""The padded computation with either aggregate: the loss that packed mini-batches must have.

The batch is padded as the benchmark pads it for its baseline, which has published code's aggregate only.
"""

from __future__ import annotations

from typing import Any

import torch

from tests.benchmarks.published_schedules.padded import SLICE, Padded
from vla_rl_bench.algorithms.aggregation import AGGREGATES
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.types import ClipRange


def backward(policy: Any, batch: Padded, *, temperature: float, clip: ClipRange, aggregate: str) -> float:
    """Forward and backward over all chunks, masked ones too -> the loss; the gradients are added to the parameters."""
    tokens, old, mask = (one.flatten(0, 1) for one in (batch.tokens, batch.old_logprobs, batch.mask))
    trajectory = torch.arange(len(batch.tokens)).repeat_interleave(batch.chunks)
    told = [batch.instructions[one] for one in trajectory.tolist()]
    weights = AGGREGATES[aggregate](mask, trajectory)
    total = 0.0
    for first in range(0, len(tokens), SLICE):
        part = slice(first, first + SLICE)
        inputs = policy.collate(batch.observations[part], told[part])
        logprobs = token_logprobs(policy(inputs | {"tokens": tokens[part]}), tokens[part], temperature)
        advantages = batch.advantages[trajectory[part]][:, None].expand_as(logprobs)
        loss = -(clipped(logprobs, old[part], advantages, clip) * weights[part]).sum()
        loss.backward()
        total += float(loss.detach())
    return total
