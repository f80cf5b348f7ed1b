"""G: a whole GRPO iteration, B, C and D together, on the built-in environment and on LIBERO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from vla_rl_bench.bench.beginning import fine_tuned
from vla_rl_bench.bench.ends import EndsOptions
from vla_rl_bench.bench.learning import TEMPERATURE, Learning
from vla_rl_bench.bench.rows import Pair, Row, Skipped
from vla_rl_bench.bench.same import same_trajectories
from vla_rl_bench.bench.schedules.waves import roll_out_in_waves
from vla_rl_bench.bench.setting import TABLETOP, Setting, nano, trainer
from vla_rl_bench.bench.workloads.episode import libero
from vla_rl_bench.bench.workloads.throughput import MINIBATCH, SLOTS
from vla_rl_bench.catalog import make_options
from vla_rl_bench.engine.collect import collect, training_start
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import TokenPolicy, Trainer
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.rollout.scheduler import Episode
from vla_rl_bench.types import Group, Start

SIZE = 8  # SimpleVLA-RL: samples a prompt
LIBERO_SUITE, LIBERO_CHUNKS = "libero_object", 20  # of 8 steps: suites/libero/object_nano.yaml has a limit of 160
# suites/libero/object_nano.yaml
LIBERO_POLICY = {"chunk": 8, "width": 96, "layers": 2, "heads": 4, "stem": "conv", "patch": 8, "words": 12}
WORKERS, ENVIRONMENTS = 2, 2  # four slots: eight simulators would not fit beside others into 24 GB
AIM = 5.0
NOTE_TABLETOP = "after the quickstart's SFT, temperature 1.6; ours plays 128 side by side, the baseline 8"
NOTE_LIBERO = (
    "ends drawn by lot, mean half the limit; the same tuned simulator on both sides, whose stepping and rendering no "
    "schedule makes less: it is nearly all there is to do with a policy as small as this one"
)
NOTE_WHOLE = "as above, and the baseline's episodes as in row A: fresh simulators, two cameras at every step"

Simulator = Literal["fast", "exact", "fresh"]


def rows(setting: Setting) -> Iterator[Row | Skipped]:
    yield _tabletop(setting)
    entry = libero(setting)
    if isinstance(entry, str):
        yield Skipped("G", "an iteration on LIBERO", entry)
        return
    simulators: tuple[Simulator, ...] = ("fast", "exact")
    for simulator in simulators:
        what = f"iteration on LIBERO, {simulator} rendering"
        yield _libero(setting, entry, simulator, simulator, what, NOTE_LIBERO)
    if not setting.quick:
        yield _libero(setting, entry, "exact", "fresh", "iteration on LIBERO, with A", NOTE_WHOLE)


@dataclass(frozen=True)
class Iteration:
    """groups: all are kept, so that both sides learn from the same.  pool and waves: ours and the baseline's."""

    pool: Pool
    waves: Pool
    policy: TokenPolicy
    trainer: Trainer
    groups: int
    tasks: Sequence[int]
    minibatch: int

    def ours(self) -> None:
        self._learning(self.collected()).packed_update()

    def baseline(self) -> None:
        work = self._learning(self.in_waves())
        work.padded_passes(work.padded())

    def check(self) -> None:
        ours, baseline = self.collected(), self.in_waves()
        for one, other in zip(ours, baseline, strict=True):
            same_trajectories(one.trajectories, other.trajectories)
        self._learning(ours).check()

    def collected(self) -> tuple[Group, ...]:
        with self.trainer.acting() as policy:
            return collect(
                self.pool,
                Actor(policy, TEMPERATURE),
                RunHooks(()),
                self._start,
                SingleProcess(),
                key=("benchmark",),
                wanted=self.groups,
                most=self.groups,
                size=SIZE,
            ).groups

    def in_waves(self) -> tuple[Group, ...]:
        todo = [
            Episode(self._start(group), member, ("benchmark", group, member))
            for group in range(self.groups)
            for member in range(SIZE)
        ]
        with self.trainer.acting() as policy:
            played = list(roll_out_in_waves(self.waves, Actor(policy, TEMPERATURE), todo))
        return tuple(
            Group(group, self._start(group), tuple(played[group * SIZE : (group + 1) * SIZE]))
            for group in range(self.groups)
        )

    def _start(self, group: int) -> Start:
        return training_start(self.tasks, self.pool.contract.splits["training"], 0, 1, group)

    def _learning(self, groups: Sequence[Group]) -> Learning:
        tasks = self.pool.contract.tasks
        chunks = max(-(-tasks[group.start.task].step_limit // self.policy.chunk) for group in groups)
        told = [task.instruction for task in tasks]
        return Learning(self.policy, self.trainer, groups, told, chunks, self.minibatch)


def _tabletop(setting: Setting) -> Row:
    entry = setting.catalog.environment("tabletop")
    pool = open_pool(entry, TABLETOP, entry.options(), slots=SLOTS, workers=0)
    policy = fine_tuned(setting.catalog, pool)
    groups, tasks = setting.pick(16, 4), range(len(pool.contract.tasks))
    work = Iteration(pool, pool, policy, trainer(setting.catalog, policy), groups, tasks, MINIBATCH)
    work.check()
    what = f"iteration on the tabletop, {groups} groups"
    return setting.measured(Pair("G", what, work.ours, work.baseline, None, note=NOTE_TABLETOP))


def _libero(
    setting: Setting, entry: EnvironmentEntry, ours: Simulator, baseline: Simulator, what: str, note: str
) -> Row:
    """One task; one group where the simulator is slow."""
    chunks = setting.pick(LIBERO_CHUNKS if baseline != "fresh" else LIBERO_CHUNKS // 2, 3)
    with closing(_pool(entry, ours, chunks)) as pool:
        policy = nano(setting.catalog, pool.contract, **LIBERO_POLICY)
        waves = pool if baseline == ours else _pool(entry, baseline, chunks)
        with closing(waves):
            groups = setting.pick(2 if baseline == "fast" else 1, 1)
            work = Iteration(pool, waves, policy, trainer(setting.catalog, policy), groups, (0,), SIZE)
            work.check()
            pair = Pair("G", f"{what}, {groups * SIZE} episodes", work.ours, work.baseline, AIM, note=note)
            return setting.measured(pair, rounds=3 if baseline == "fast" else 1)


def _pool(entry: EnvironmentEntry, simulator: Simulator, chunks: int) -> Pool:
    """LIBERO with ends by lot.  fresh: its own environment, built for each episode."""
    chosen = {"driver": "reference"} if simulator == "fresh" else {"rendering": simulator}
    options = make_options(entry.options, chosen | {"step_limit": chunks * 8, "image_size": 64}, entry.name)
    wrapped = EnvironmentEntry(
        name="libero-by-lot",
        summary="LIBERO whose episodes end by lot",
        make="vla_rl_bench.bench.ends:make",
        suites=(LIBERO_SUITE,),
        options=EndsOptions,
    )
    own = EndsOptions(entry.make, options, chunks, fresh=simulator == "fresh")
    return open_pool(wrapped, LIBERO_SUITE, own, slots=0, workers=WORKERS, environments=ENVIRONMENTS)
