"""Filling a batch with groups: rollouts from training starts, and what the tricks keep of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vla_rl_bench import seeding
from vla_rl_bench.engine.hooks import Engine
from vla_rl_bench.interfaces import Ranks
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Group, Start, Trajectory


def training_start(tasks: Sequence[int], bounds: tuple[int, int], seed: int, iteration: int, group: int) -> Start:
    """The start of the n-th group drawn in an iteration: tasks in a shuffled round-robin, indices uniform.

    bounds: half-open range of training start indices.
    """
    lap, place = divmod(group, len(tasks))
    order = seeding.generator("tasks", seed, iteration, lap).permutation(len(tasks))
    index = seeding.generator("start", seed, iteration, group).integers(*bounds)
    return Start(tasks[int(order[place])], int(index))


@dataclass(frozen=True)
class Collected:
    """A batch.  groups: what was kept, in launch order.  drawn: groups rolled out.  successes, trajectories, steps,
    chunks: of all that was drawn."""

    groups: tuple[Group, ...]
    drawn: int
    successes: int
    trajectories: int
    steps: int
    chunks: int

    def with_(self, other: Collected) -> Collected:
        """Both together."""
        groups = sorted((*self.groups, *other.groups), key=lambda group: group.index)
        counts = (getattr(self, name) + getattr(other, name) for name in _COUNTS)
        return Collected(tuple(groups), *counts)


_COUNTS = ("drawn", "successes", "trajectories", "steps", "chunks")


@dataclass
class _Draw:
    """Launches the groups of `numbers` while kept + open < wanted; so which ones are drawn never depends on timing.

    Each rejected group is replaced by exactly one other: the groups drawn are the shortest prefix of `numbers` that
    holds `wanted` kept ones, or all of it.
    """

    start_of: Callable[[int], Start]
    key: tuple[int | str, ...]
    keep: Callable[[Group], bool]
    wanted: int
    numbers: Sequence[int]
    size: int
    launched: int = 0
    waiting: deque[Episode] = field(default_factory=deque)
    open: dict[int, list[Trajectory]] = field(default_factory=dict)
    kept: dict[int, Group] = field(default_factory=dict)
    ended: list[Trajectory] = field(default_factory=list)

    def next_episode(self) -> Episode | None:
        if not self.waiting and len(self.kept) + len(self.open) < self.wanted and self.launched < len(self.numbers):
            self._launch()
        return self.waiting.popleft() if self.waiting else None

    def _launch(self) -> None:
        group, self.launched = self.numbers[self.launched], self.launched + 1
        start = self.start_of(group)
        self.open[group] = []
        self.waiting.extend(Episode(start, rollout, (*self.key, group, rollout)) for rollout in range(self.size))

    def take(self, episode: Episode, trajectory: Trajectory) -> None:
        number = int(episode.key[-2])
        self.open[number].append(trajectory)
        self.ended.append(trajectory)
        if len(self.open[number]) == self.size:
            members = sorted(self.open.pop(number), key=lambda one: one.rollout)
            group = Group(number, episode.start, tuple(members))
            if self.keep(group):
                self.kept[number] = group

    def outcome(self) -> Collected:
        return Collected(
            groups=tuple(self.kept[number] for number in sorted(self.kept)),
            drawn=self.launched,
            successes=sum(one.success for one in self.ended),
            trajectories=len(self.ended),
            steps=sum(one.length for one in self.ended),
            chunks=sum(len(one.steps) for one in self.ended),
        )


def collect(
    pool: Pool,
    actor: Actor,
    engine: Engine,
    start_of: Callable[[int], Start],
    ranks: Ranks,
    *,
    key: tuple[int | str, ...],
    wanted: int,
    most: int,
    size: int,
    progress: Callable[[int, int], None] = lambda kept, wanted: None,
) -> Collected:
    """Draw groups of `size` rollouts until `wanted` are kept or `most` were drawn; every rank gets the same batch.

    One process replaces a rejected group at once.  Several go in rounds: as many groups as are missing, dealt out in
    launch order, then a look at what everybody kept.  Either way the batch is the same prefix of the launch order.
    """
    total = Collected((), 0, 0, 0, 0, 0)
    while len(total.groups) < wanted and total.drawn < most:
        missing, left = wanted - len(total.groups), most - total.drawn
        launch = range(total.drawn, total.drawn + (left if ranks.world == 1 else min(missing, left)))
        numbers = launch[ranks.rank :: ranks.world]
        aim = missing if ranks.world == 1 else len(numbers)
        draw = _Draw(start_of, key, engine.keep_group, aim, numbers, size)
        for episode, trajectory in roll_out(pool, actor, draw.next_episode, keep=True):
            draw.take(episode, trajectory)
            progress(len(total.groups) + len(draw.kept), wanted)
        for part in ranks.gather(draw.outcome()):
            total = total.with_(part)
    return total
