"""Which rollouts are a run's first successes with a behaviour that no demonstration showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.results import firsts
from vla_rl_bench.results.behaviours import Label
from vla_rl_bench.results.firsts import KEPT, First, file_stem
from vla_rl_bench.types import FloatArray, Group, Trajectory


@dataclass(frozen=True)
class Firsts:
    """demonstrated: behaviour -> demonstrations; where nobody knows, nothing is known to be new, and nothing kept."""

    folder: RunFolder
    behaviour: Label
    demonstrated: Mapping[str, int] | None

    def wanted(self) -> Callable[[Trajectory], bool]:
        """Says of a trajectory whether it may be one of the first, as far as earlier iterations tell."""
        have = firsts.counts(self.folder)

        def is_wanted(trajectory: Trajectory) -> bool:
            if self.demonstrated is None or not trajectory.success:
                return False
            name = self.behaviour(trajectory.events)
            return name not in self.demonstrated and have[file_stem(name)] < KEPT

        return is_wanted

    def keep(self, groups: Sequence[Group], policy: TokenPolicy, iteration: int) -> None:
        """Write the first few of each behaviour, in launch order.  policy: whose tokens they are."""
        have = firsts.counts(self.folder)
        for group in groups:
            for one in group.trajectories:
                name = self.behaviour(one.events)
                if have[file_stem(name)] < KEPT:
                    have[file_stem(name)] += 1
                    actions = executed(one, policy)
                    firsts.write(self.folder, First(name, iteration, group.index, one.rollout, one.start, actions))

    def cut_to(self, iteration: int) -> None:
        """Forget what came after the checkpoint."""
        firsts.cut_to(self.folder, iteration)


def executed(trajectory: Trajectory, policy: TokenPolicy) -> FloatArray:
    """The actions that the environment was given and took: float32 ``[steps, D]``."""
    shape = (len(trajectory.tokens), policy.chunk, policy.action_dim)
    chunks = policy.unnormalise(action_tokens.decode(trajectory.tokens).reshape(shape))
    taken = [chunk[:steps] for chunk, steps in zip(chunks, trajectory.steps, strict=True)]
    return np.concatenate(taken).astype(np.float32, copy=False)
