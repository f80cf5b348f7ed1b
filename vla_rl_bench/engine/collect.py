"""Filling a batch with groups: rollouts from training starts, and what the tricks keep of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vla_rl_bench import seeding
from vla_rl_bench.engine.hooks import RunHooks
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
class RolloutBatch:
    """A batch.  groups: what was kept, in launch order.  drawn: groups rolled out for it.  successes, trajectories,
    steps, chunks: of all that was drawn.

    surplus: groups beyond the batch that were complete and would have been kept.  wasted_chunks: rolled out beyond the
    batch, the surplus included.
    """

    groups: tuple[Group, ...]
    drawn: int
    successes: int
    trajectories: int
    steps: int
    chunks: int
    wasted_chunks: int = 0
    surplus: tuple[Group, ...] = ()

    def with_(self, other: RolloutBatch) -> RolloutBatch:
        """Both together."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        groups = sorted((*self.groups, *other.groups), key=lambda group: group.index)
        return RolloutBatch(groups=tuple(groups), **counts, surplus=(*self.surplus, *other.surplus))


_ROLLED_OUT = ("successes", "trajectories", "steps", "chunks")
_COUNTS = ("drawn", *_ROLLED_OUT, "wasted_chunks")


def _counted(trajectories: Sequence[Trajectory]) -> dict[str, int]:
    """What `RolloutBatch` says of rollouts."""
    return {
        "successes": sum(one.success for one in trajectories),
        "trajectories": len(trajectories),
        "steps": sum(one.length for one in trajectories),
        "chunks": sum(len(one.steps) for one in trajectories),
    }


@dataclass
class GroupSampler:
    """Launches the groups of `numbers` (ascending) in order, and finds the batch: the groups up to the one that is the
    `wanted`-th kept in launch order, or all of `numbers`.

    A group is launched while those kept and, of those open, the share that `acceptance` predicts to be kept are fewer
    than wanted.  With 1, each rejected group is replaced by exactly one other and nothing is rolled out in vain; with
    less, slots stay busy, and what is launched beyond the batch is waste.  The batch is the same.

    last: the number of the last group that can still belong to the batch, once `wanted` were kept; it only falls.
    """

    start_of: Callable[[int], Start]
    key: tuple[int | str, ...]
    keep: Callable[[Group], bool]
    wanted: int
    numbers: Sequence[int]
    size: int
    acceptance: float = 1.0
    begun: int = 0
    last: int | None = None
    waiting: deque[Episode] = field(default_factory=deque)
    open: dict[int, list[Trajectory]] = field(default_factory=dict)
    ended: dict[int, dict[str, int]] = field(default_factory=dict)  # counts only: a rejected group is not held
    accepted: dict[int, Group] = field(default_factory=dict)
    dropped_chunks: int = 0

    @property
    def kept(self) -> dict[int, Group]:
        """The kept groups of the batch, as far as it is known."""
        return {number: group for number, group in self.accepted.items() if self._belongs(number)}

    @property
    def launched(self) -> int:
        """Groups of the batch that were launched."""
        return sum(self._belongs(number) for number in self.numbers[: self.begun])

    def needed(self, episode: Episode) -> bool:
        """Whether the episode can still belong to the batch; if not, it may end at once."""
        return self._belongs(_number(episode))

    def _belongs(self, number: int) -> bool:
        return self.last is None or number <= self.last

    def next_episode(self) -> Episode | None:
        if not self.waiting and self._too_few() and self.begun < len(self.numbers):
            self._launch()
        return self.waiting.popleft() if self.waiting else None

    def _too_few(self) -> bool:
        return len(self.accepted) + self.acceptance * len(self.open) < self.wanted

    def _launch(self) -> None:
        group, self.begun = self.numbers[self.begun], self.begun + 1
        start = self.start_of(group)
        self.open[group] = []
        self.waiting.extend(Episode(start, rollout, (*self.key, group, rollout)) for rollout in range(self.size))

    def take(self, episode: Episode, trajectory: Trajectory) -> None:
        number = _number(episode)
        if not self._belongs(number) and len(trajectory.tokens) < len(trajectory.steps):  # it was cut short
            self.dropped_chunks += len(trajectory.steps)
            return
        self.open[number].append(trajectory)
        if len(self.open[number]) == self.size:
            members = sorted(self.open.pop(number), key=lambda one: one.rollout)
            group = Group(number, episode.start, tuple(members))
            self.ended[number] = _counted(members)
            if self.keep(group):
                self.accepted[number] = group
                self._close_in()

    def _close_in(self) -> None:
        """Forget what cannot belong to the batch any more and has not begun."""
        if len(self.accepted) >= self.wanted:
            self.last = sorted(self.accepted)[self.wanted - 1]
            self.waiting = deque(episode for episode in self.waiting if self.needed(episode))

    def outcome(self) -> RolloutBatch:
        batch = [counts for number, counts in self.ended.items() if self._belongs(number)]
        beyond = [counts for number, counts in self.ended.items() if not self._belongs(number)]
        beyond += [_counted(members) for members in self.open.values()]
        kept = self.kept
        return RolloutBatch(
            groups=tuple(kept[number] for number in sorted(kept)),
            drawn=self.launched,
            **{name: sum(counts[name] for counts in batch) for name in _ROLLED_OUT},
            wasted_chunks=sum(counts["chunks"] for counts in beyond) + self.dropped_chunks,
            surplus=tuple(self.accepted[number] for number in sorted(self.accepted) if number not in kept),
        )


def _number(episode: Episode) -> int:
    """Of the group that the episode belongs to."""
    return int(episode.key[-2])


def collect(
    pool: Pool,
    actor: Actor,
    engine: RunHooks,
    start_of: Callable[[int], Start],
    ranks: Ranks,
    *,
    key: tuple[int | str, ...],
    wanted: int,
    most: int,
    size: int,
    acceptance: float = 1.0,
    on_group_end: Callable[[Group], object] = lambda group: None,
    progress: Callable[[int, int], None] = lambda kept, wanted: None,
) -> RolloutBatch:
    """Draw groups of `size` rollouts until `wanted` are kept or `most` were drawn; every rank gets the same batch.

    One process replaces a rejected group at once.  Several go in rounds: as many groups as are missing, dealt out in
    launch order, then a look at what everybody kept.  Either way the batch is the same prefix of the launch order.
    acceptance: the share of groups that is expected to be kept, 1 for launching none but those that are surely needed;
    it takes effect only in one process, and with environment processes: in process, where every observation that is
    ready joins a forward, one more would change its neighbours' last bits.
    on_group_end: called with each group that this process has rolled out, before it is kept or not.
    """

    def keep(group: Group) -> bool:
        on_group_end(group)
        return engine.keep_group(group)

    total = RolloutBatch((), 0, 0, 0, 0, 0)
    alone = ranks.world == 1
    expected = acceptance if alone and pool.forward_rows is not None else 1.0
    while len(total.groups) < wanted and total.drawn < most:
        missing, left = wanted - len(total.groups), most - total.drawn
        launch = range(total.drawn, total.drawn + (left if alone else min(missing, left)))
        numbers = launch[ranks.rank :: ranks.world]
        aim = missing if alone else len(numbers)
        draw = GroupSampler(start_of, key, keep, aim, numbers, size, expected)
        for episode, trajectory in roll_out(pool, actor, draw.next_episode, keep=True, needed=draw.needed):
            draw.take(episode, trajectory)
            progress(len(total.groups) + len(draw.kept), wanted)
        for part in ranks.all_gather(draw.outcome()):
            total = total.with_(part)
    return total
