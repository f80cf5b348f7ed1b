"""The work after a rollout on both sides: ours, packed, and the published schedule, padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from tests.benchmarks.published_schedules import padded as schedule
from tests.benchmarks.support import synthetic_trajectories
from tests.benchmarks.support.equivalence import close, gradients, same_gradients
from tests.benchmarks.support.settings import Settings, nano, tabletop, trainer
from vla_rl_bench import seeding
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.update import LossSettings, pack, update
from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.types import ClipRange, Group

CLIP, TEMPERATURE = ClipRange(0.2, 0.28), 1.6  # SimpleVLA-RL
STILL = 1e-30  # a learning rate that moves no weight, so every round does the same work
CHUNKS = 64  # of an episode that never ends: SimpleVLA-RL's 512 steps in chunks of 8


def config(minibatch: int) -> RlConfig:
    """Return SimpleVLA-RL's settings for a mini-batch of so many trajectories."""
    return RlConfig(
        iterations=1,
        groups=1,
        group_size=8,
        minibatch=minibatch,
        learning_rate=STILL,
        advantage="grpo",
        objective="clipped",
        aggregate="trajectory-mean",
    )


@dataclass(frozen=True)
class UpdateWorkload:
    """Groups to learn from.

    The baseline gets its batch padded: padding is not timed, though packing ours is.
    """

    policy: TokenPolicy
    trainer: Trainer
    groups: Sequence[Group]
    instructions: Sequence[str]  # by task index
    chunks: int  # of the longest episode possible
    minibatch: int  # trajectories

    @property
    def valid(self) -> float:
        """Share of chunks that were executed."""
        lengths = [len(trajectory.steps) for group in self.groups for trajectory in group.trajectories]
        return sum(lengths) / (len(lengths) * self.chunks)

    def packed_update(self, trainer: Trainer | None = None) -> None:
        batch = pack(self.groups, self._advantages(), self.instructions, self.policy)
        update(
            trainer or self.trainer,
            batch,
            config(self.minibatch),
            RunHooks(()),
            LossSettings(clipped, None, CLIP, TEMPERATURE),
            SingleProcess(),
            self._rng(),
        )

    def padded(self) -> schedule.Padded:
        return schedule.pad(self.groups, self._advantages(), self.instructions, self.policy, self.chunks)

    def padded_update(self, batch: schedule.Padded, trainer: Trainer | None = None) -> None:
        schedule.update(
            trainer or self.trainer,
            batch,
            minibatch=self.minibatch,
            temperature=TEMPERATURE,
            clip=CLIP,
            learning_rate=STILL,
            grad_clip=config(self.minibatch).grad_clip,
            rng=self._rng(),
        )

    def padded_passes(self, batch: schedule.Padded) -> None:
        """Compute the old log-probs, the update and the entropy."""
        schedule.old_logprobs(self.trainer, batch, TEMPERATURE)
        self.padded_update(batch)
        schedule.entropy(self.trainer, batch, TEMPERATURE)

    def check(self) -> None:
        """Require that old log-probs equal the stored ones and that all gradients agree."""
        batch = self.padded()
        again = schedule.old_logprobs(self.trainer, batch, TEMPERATURE)
        close("old log-probs", batch.old_logprobs * batch.mask, again * batch.mask, 1e-4)
        ours = gradients(self.trainer, self.policy, self.packed_update)
        same_gradients(ours, gradients(self.trainer, self.policy, partial(self.padded_update, batch)))

    def _advantages(self) -> torch.Tensor:
        return group_advantages(torch.from_numpy(np.stack([group.returns for group in self.groups])))

    def _rng(self) -> np.random.Generator:
        return seeding.generator("benchmark", "minibatches")


def synthetic_workload(settings: Settings, valid: float) -> UpdateWorkload:
    """Make a mini-batch of the built-in policy on noise in the built-in environment's image format.

    Args:
        settings: The quick form has 8 trajectories of up to 16 chunks, the full one 16 of up to 64.
        valid: Share of chunks that were executed.
    """
    spec = tabletop(settings.catalog, 1).contract
    policy = nano(settings.catalog, spec)
    prepared = trainer(settings.catalog, policy)
    chunks = settings.pick(CHUNKS, 16)
    sizes = synthetic_trajectories.lengths(settings.pick(16, 8), chunks, valid)
    with prepared.acting() as acting:
        groups = synthetic_trajectories.groups(spec, Actor(acting, TEMPERATURE), sizes)
    instructions = [task.instruction for task in spec.tasks]
    return UpdateWorkload(policy, prepared, groups, instructions, chunks, len(sizes))
