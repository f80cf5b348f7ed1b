"""Trajectories of chosen lengths for the rows that begin after the rollout: noise for images, a policy's own tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.types import EnvironmentSpec, Group, Observation, Start, Trajectory

GROUP = 8  # SimpleVLA-RL: samples a prompt


def lengths(trajectories: int, chunks: int, valid: float) -> list[int]:
    """Chunks of each trajectory, spread evenly, symmetric about ``valid * chunks``; none is longer than `chunks`."""
    mean = valid * chunks
    reach = min(mean - 1, chunks - mean)
    return [round(one) for one in np.linspace(mean - reach, mean + reach, trajectories)]


def groups(spec: EnvironmentSpec, actor: Actor, sizes: Sequence[int]) -> list[Group]:
    """Groups of `GROUP` trajectories of so many chunks; log-probs are those that drawing the tokens gave.

    Half of each group succeeds, and every action was executed.
    """
    members = [_trajectory(spec, actor, number, chunks) for number, chunks in enumerate(sizes)]
    return [
        Group(first // GROUP, members[first].start, tuple(members[first : first + GROUP]))
        for first in range(0, len(members), GROUP)
    ]


def _trajectory(spec: EnvironmentSpec, actor: Actor, number: int, chunks: int) -> Trajectory:
    random = seeding.generator("made up", number)
    task = spec.tasks[0]
    seen = Observation(
        {one.name: random.integers(0, 256, (chunks, one.height, one.width, 3), dtype=np.uint8) for one in spec.images},
        random.random((chunks, len(spec.proprio)), dtype=np.float32),
    )
    drawn = actor.act(seen, [task.instruction] * chunks, random.random((chunks, actor.tokens), dtype=np.float32))
    return Trajectory(
        start=Start(0, number // GROUP),
        rollout=number % GROUP,
        observations=seen,
        tokens=drawn.tokens,
        logprobs=drawn.logprobs,
        steps=np.full(chunks, actor.policy.chunk, np.int64),
        success=number % 2 == 0,
    )
