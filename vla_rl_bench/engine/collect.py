"""Collection of a batch of groups: rollouts from training starts, filtered by the tricks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.interfaces import Ranks
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Group, Start, Trajectory


@dataclass(frozen=True)
class GroupRequest:
    """A request for groups of rollouts."""

    start_of: Callable[[int], Start]  # group index -> its start
    key: tuple[int | str, ...]  # of the random numbers; group index and rollout are appended
    target_groups: int  # groups to keep
    max_groups: int  # groups to sample at most
    group_size: int  # rollouts per group
    # Share of groups that is expected to be kept; 1 starts no group before it is certain to be needed.
    acceptance: float = 1.0


@dataclass(frozen=True)
class RolloutBatch:
    """The groups of an iteration, and counts of everything that was rolled out for them."""

    groups: tuple[Group, ...]  # kept, in launch order
    sampled_groups: int  # rolled out for the batch, kept or not
    successes: int  # this and the next three: of all sampled groups
    trajectories: int
    steps: int
    chunks: int
    wasted_chunks: int = 0  # rolled out beyond the batch, those of `surplus` included
    surplus: tuple[Group, ...] = ()  # complete groups beyond the batch that would have been kept

    def merge(self, batch: RolloutBatch) -> RolloutBatch:
        """Combine the groups and counts of two batches."""
        counts = {name: getattr(self, name) + getattr(batch, name) for name in _COUNTS}
        groups = sorted((*self.groups, *batch.groups), key=lambda group: group.index)
        return RolloutBatch(groups=tuple(groups), **counts, surplus=(*self.surplus, *batch.surplus))

    def metrics(self) -> dict[str, Any]:
        """The part of an iteration's metrics that describes its rollouts."""
        return {
            "rollout_success": self.successes / self.trajectories,
            "drawn": self.sampled_groups,
            "kept": len(self.groups),
            "acceptance": len(self.groups) / self.sampled_groups,
            "trajectories": self.trajectories,
            "steps": self.steps,
            "chunks": self.chunks,
            "wasted_chunks": self.wasted_chunks,
            "waste": self.wasted_chunks / (self.chunks + self.wasted_chunks),
        }


_TRAJECTORY_COUNTS = ("successes", "trajectories", "steps", "chunks")
_COUNTS = ("sampled_groups", *_TRAJECTORY_COUNTS, "wasted_chunks")


def _count(trajectories: Sequence[Trajectory]) -> dict[str, int]:
    return {
        "successes": sum(trajectory.success for trajectory in trajectories),
        "trajectories": len(trajectories),
        "steps": sum(trajectory.length for trajectory in trajectories),
        "chunks": sum(len(trajectory.steps) for trajectory in trajectories),
    }


@dataclass
class GroupSampler:
    """Start the groups of `group_indices` (ascending) in order until `target_groups` of them are kept.

    The batch is the shortest prefix of `group_indices` with `target_groups` kept groups, or all of them.  A group is
    started while the kept groups and the expected kept groups among the open ones (`GroupRequest.acceptance`) are fewer
    than the target.  At an acceptance of 1 each rejected group is replaced by exactly one other and no rollout is
    wasted; below 1 slots stay busy, and groups beyond the batch are waste.  The batch is the same.
    """

    request: GroupRequest
    keep: Callable[[Group], bool]
    group_indices: Sequence[int]
    target_groups: int
    acceptance: float = 1.0
    started: int = 0
    last_needed_group: int | None = None  # index of the last group that can still belong to the batch; only decreases
    waiting: deque[Episode] = field(default_factory=deque)
    open_groups: dict[int, list[Trajectory]] = field(default_factory=dict)
    counts: dict[int, dict[str, int]] = field(default_factory=dict)  # of ended groups; rejected groups are not stored
    accepted: dict[int, Group] = field(default_factory=dict)
    dropped_chunks: int = 0

    @property
    def kept_groups(self) -> dict[int, Group]:
        """Kept groups of the batch so far, by index."""
        return {index: group for index, group in self.accepted.items() if self._in_batch(index)}

    @property
    def sampled_groups(self) -> int:
        """Number of groups of the batch that were started."""
        return sum(self._in_batch(index) for index in self.group_indices[: self.started])

    def needed(self, episode: Episode) -> bool:
        """True if the episode can still belong to the batch; otherwise it may end at once."""
        return self._in_batch(episode.group)

    def _in_batch(self, index: int) -> bool:
        return self.last_needed_group is None or index <= self.last_needed_group

    def next_episode(self) -> Episode | None:
        expected = len(self.accepted) + self.acceptance * len(self.open_groups)
        if not self.waiting and expected < self.target_groups and self.started < len(self.group_indices):
            self._start_group()
        return self.waiting.popleft() if self.waiting else None

    def _start_group(self) -> None:
        index, self.started = self.group_indices[self.started], self.started + 1
        start, key = self.request.start_of(index), self.request.key
        self.open_groups[index] = []
        self.waiting.extend(
            Episode(start, rollout, (*key, index, rollout), index) for rollout in range(self.request.group_size)
        )

    def add_trajectory(self, episode: Episode, trajectory: Trajectory) -> None:
        index = episode.group
        if not trajectory.complete:
            self.dropped_chunks += len(trajectory.steps)
            return
        self.open_groups[index].append(trajectory)
        if len(self.open_groups[index]) == self.request.group_size:
            members = sorted(self.open_groups.pop(index), key=lambda member: member.rollout)
            group = Group(index, episode.start, tuple(members))
            self.counts[index] = _count(members)
            if self.keep(group):
                self.accepted[index] = group
                self._drop_unneeded_episodes()

    def _drop_unneeded_episodes(self) -> None:
        if len(self.accepted) >= self.target_groups:
            self.last_needed_group = sorted(self.accepted)[self.target_groups - 1]
            self.waiting = deque(episode for episode in self.waiting if self.needed(episode))

    def batch(self) -> RolloutBatch:
        """The batch of this rank."""
        in_batch = [counts for index, counts in self.counts.items() if self._in_batch(index)]
        beyond = [counts for index, counts in self.counts.items() if not self._in_batch(index)]
        beyond += [_count(members) for members in self.open_groups.values()]
        kept = self.kept_groups
        return RolloutBatch(
            groups=tuple(kept[index] for index in sorted(kept)),
            sampled_groups=self.sampled_groups,
            **{name: sum(counts[name] for counts in in_batch) for name in _TRAJECTORY_COUNTS},
            wasted_chunks=sum(counts["chunks"] for counts in beyond) + self.dropped_chunks,
            surplus=tuple(self.accepted[index] for index in sorted(self.accepted) if index not in kept),
        )


def collect(
    pool: Pool,
    actor: Actor,
    request: GroupRequest,
    hooks: RunHooks,
    ranks: Ranks,
    on_group_end: Callable[[Group], object] = lambda group: None,
) -> RolloutBatch:
    """Roll out groups until enough are kept or the limit is reached; every rank gets the same batch.

    One process replaces a rejected group at once.  Several processes go in rounds: they divide as many groups as are
    missing in launch order, then exchange which were kept.  Either way the batch is the same prefix of that order.

    Over-provisioning (``request.acceptance`` below 1) takes effect only in one process and with worker processes: in
    process, where every ready observation joins a forward, one more would change its neighbors' last bits.

    Args:
        on_group_end: Called with each group that this process has rolled out, before it is kept or rejected.
    """

    def keep(group: Group) -> bool:
        on_group_end(group)
        return hooks.keep_group(group)

    total = RolloutBatch((), 0, 0, 0, 0, 0)
    single = ranks.world == 1
    acceptance = request.acceptance if single and not pool.in_process else 1.0
    while len(total.groups) < request.target_groups and total.sampled_groups < request.max_groups:
        missing = request.target_groups - len(total.groups)
        remaining = request.max_groups - total.sampled_groups
        first, count = total.sampled_groups, remaining if single else min(missing, remaining)
        group_indices = range(first, first + count)[ranks.rank :: ranks.world]
        target = missing if single else len(group_indices)
        sampler = GroupSampler(request, keep, group_indices, target, acceptance)
        for episode, trajectory in roll_out(pool, actor, sampler.next_episode, keep=True, needed=sampler.needed):
            sampler.add_trajectory(episode, trajectory)
        for part in ranks.all_gather(sampler.batch()):
            total = total.merge(part)
    return total
