"""Trajectories of chosen lengths for benchmarks of the update: noise for images, a policy's own tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.types import EnvironmentSpec, Group, Observation, Start, Trajectory

GROUP = 8  # SimpleVLA-RL: samples for each prompt


def lengths(trajectories: int, chunks: int, valid: float) -> list[int]:
    """Spread the trajectories' numbers of chunks evenly and symmetrically about ``valid * chunks``, up to `chunks`."""
    mean = valid * chunks
    reach = min(mean - 1, chunks - mean)
    return [round(length) for length in np.linspace(mean - reach, mean + reach, trajectories)]


def groups(spec: EnvironmentSpec, actor: Actor, sizes: Sequence[int]) -> list[Group]:
    """Make groups of `GROUP` trajectories of the given numbers of chunks, with the log-probs of the sampled tokens.

    Half of each group succeeds, and every action was executed.
    """
    members = [_trajectory(spec, actor, number, chunks) for number, chunks in enumerate(sizes)]
    return [
        Group(first // GROUP, members[first].start, tuple(members[first : first + GROUP]))
        for first in range(0, len(members), GROUP)
    ]


def _trajectory(spec: EnvironmentSpec, actor: Actor, number: int, chunks: int) -> Trajectory:
    rng = seeding.generator("made up", number)
    task = spec.tasks[0]
    observations = Observation(
        {
            camera.name: rng.integers(0, 256, (chunks, camera.height, camera.width, 3), dtype=np.uint8)
            for camera in spec.images
        },
        rng.random((chunks, len(spec.proprio)), dtype=np.float32),
    )
    actions = actor.act(observations, [task.instruction] * chunks, rng.random((chunks, actor.tokens), dtype=np.float32))
    return Trajectory(
        start=Start(0, number // GROUP),
        rollout=number % GROUP,
        observations=observations,
        tokens=actions.tokens,
        logprobs=actions.logprobs,
        steps=np.full(chunks, actor.policy.chunk, np.int64),
        success=number % 2 == 0,
    )
