"""A whole GRPO iteration (rollout, update and the work in between) on the built-in environment and on LIBERO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.published_schedules.waves import roll_out_in_waves
from tests.benchmarks.support import random_length_env
from tests.benchmarks.support.equivalence import same_trajectories
from tests.benchmarks.support.pairs import Pair
from tests.benchmarks.support.random_length_env import RandomLengthOptions
from tests.benchmarks.support.update_workload import TEMPERATURE, UpdateWorkload
from vla_rl_bench.engine.collect import GroupRequest, collect
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.training import TrainingStarts
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.options import make_options
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.rollout.scheduler import Episode
from vla_rl_bench.types import Group, Start

SIZE = 8  # SimpleVLA-RL: samples for each prompt
LIBERO_SUITE, LIBERO_CHUNKS = "libero_object", 20  # of 8 steps: suites/libero/object_nano.yaml has a limit of 160
# suites/libero/object_nano.yaml
LIBERO_POLICY = {"chunk": 8, "width": 96, "layers": 2, "heads": 4, "stem": "conv", "patch": 8, "words": 12}
WORKERS, ENVIRONMENTS = 2, 2  # four slots: eight simulators would not fit beside others into 24 GB

Simulator = Literal["fast", "exact", "fresh"]


@dataclass(frozen=True)
class Iteration:
    """The work of one iteration; all groups are kept, so both sides learn from the same."""

    pool: Pool
    wave_pool: Pool  # of the baseline
    policy: TokenPolicy
    trainer: Trainer
    groups: int
    tasks: Sequence[int]
    minibatch: int  # trajectories

    def pair(self) -> Pair:
        """Compare both sides, after requiring that they compute the same."""
        ours, baseline = self.collected(), self.in_waves()
        for group, baseline_group in zip(ours, baseline, strict=True):
            same_trajectories(group.trajectories, baseline_group.trajectories)
        self._update_workload(ours).check()
        return Pair(self.ours, self.baseline)

    def ours(self) -> None:
        self._update_workload(self.collected()).packed_update()

    def baseline(self) -> None:
        work = self._update_workload(self.in_waves())
        work.padded_passes(work.padded())

    def collected(self) -> tuple[Group, ...]:
        with self.trainer.acting() as policy:
            return collect(
                self.pool,
                Actor(policy, TEMPERATURE),
                GroupRequest(self._start, ("benchmark",), self.groups, self.groups, SIZE),
                RunHooks(()),
                SingleProcess(),
            ).groups

    def in_waves(self) -> tuple[Group, ...]:
        queue = [
            Episode(self._start(group), member, ("benchmark", group, member))
            for group in range(self.groups)
            for member in range(SIZE)
        ]
        with self.trainer.acting() as policy:
            trajectories = list(roll_out_in_waves(self.wave_pool, Actor(policy, TEMPERATURE), queue))
        return tuple(
            Group(group, self._start(group), tuple(trajectories[group * SIZE : (group + 1) * SIZE]))
            for group in range(self.groups)
        )

    def _start(self, group: int) -> Start:
        return TrainingStarts(self.tasks, self.pool.contract.splits["training"], 0).start(1, group)

    def _update_workload(self, groups: Sequence[Group]) -> UpdateWorkload:
        tasks = self.pool.contract.tasks
        chunks = max(-(-tasks[group.start.task].step_limit // self.policy.chunk) for group in groups)
        instructions = [task.instruction for task in tasks]
        return UpdateWorkload(self.policy, self.trainer, groups, instructions, chunks, self.minibatch)


def open_libero(entry: EnvironmentEntry, simulator: Simulator, chunks: int) -> Pool:
    """Open LIBERO with episodes of random length.

    Args:
        entry: LIBERO's.
        simulator: The tuned driver with `fast` or `exact` rendering, or LIBERO's own environment, built `fresh` for
            each episode.
        chunks: Of the longest episode.
    """
    chosen = {"driver": "reference"} if simulator == "fresh" else {"rendering": simulator}
    options = make_options(entry.options, chosen | {"step_limit": chunks * 8, "image_size": 64}, entry.name)
    wrapper = EnvironmentEntry(
        name="libero-random-length",
        summary="LIBERO whose episodes end at random",
        make=random_length_env.MAKE,
        suites=(LIBERO_SUITE,),
        options=RandomLengthOptions,
    )
    wrapped = RandomLengthOptions(entry.make, options, chunks, fresh=simulator == "fresh")
    return open_pool(wrapper, LIBERO_SUITE, wrapped, slots=0, workers=WORKERS, environments=ENVIRONMENTS)
