"""The work after a rollout, both ways: ours, packed, and the padded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from vla_rl_bench import seeding
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.bench.same import close, gradients, same_gradients
from vla_rl_bench.bench.schedules import padded as schedule
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.update import pack, update
from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.types import ClipRange, Group

CLIP, TEMPERATURE = ClipRange(0.2, 0.28), 1.6  # SimpleVLA-RL
STILL = 1e-30  # a learning rate that moves no weight, so that every round does the same work


def config(minibatch: int) -> RlConfig:
    """minibatch: trajectories.  The rest is SimpleVLA-RL's."""
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
class Learning:
    """Groups to learn from.  instructions: by task index.  chunks: of the longest episode possible.

    The padded side is given its batch padded: making it is not timed, though packing ours is.
    """

    policy: TokenPolicy
    trainer: Trainer
    groups: Sequence[Group]
    instructions: Sequence[str]
    chunks: int
    minibatch: int

    @property
    def valid(self) -> float:
        """The share of chunks that were executed."""
        members = [one for group in self.groups for one in group.trajectories]
        return sum(len(one.steps) for one in members) / (len(members) * self.chunks)

    def packed_update(self, trainer: Trainer | None = None) -> None:
        batch = pack(self.groups, self._advantages(), self.instructions, self.policy)
        update(
            trainer or self.trainer,
            batch,
            config(self.minibatch),
            RunHooks(()),
            clipped,
            SingleProcess(),
            temperature=TEMPERATURE,
            clip=CLIP,
            draw=self._draw(),
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
            draw=self._draw(),
        )

    def padded_passes(self, batch: schedule.Padded) -> None:
        """Old log-probs, update, entropy."""
        schedule.old_logprobs(self.trainer, batch, TEMPERATURE)
        self.padded_update(batch)
        schedule.entropy(self.trainer, batch, TEMPERATURE)

    def check(self) -> None:
        """Old log-probs are the stored ones, and all gradients agree."""
        batch = self.padded()
        again = schedule.old_logprobs(self.trainer, batch, TEMPERATURE)
        close("old log-probs", batch.old_logprobs * batch.mask, again * batch.mask, 1e-4)
        ours = gradients(self.trainer, self.policy, self.packed_update)
        same_gradients(ours, gradients(self.trainer, self.policy, partial(self.padded_update, batch)))

    def _advantages(self) -> torch.Tensor:
        return group_advantages(torch.from_numpy(np.stack([group.returns for group in self.groups])))

    def _draw(self) -> np.random.Generator:
        return seeding.generator("benchmark", "minibatches")
