"""Which groups a batch holds is a function of the seed: never of slots, workers or timing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.conftest import TABLETOP
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.engine.collect import GroupRequest, GroupSampler, RolloutBatch, collect
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.training import TrainingStarts
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool, ProcessPool
from vla_rl_bench.rollout.scheduler import Episode
from vla_rl_bench.types import Group, Observation, Start, Trajectory

pytestmark = pytest.mark.numeric

STARTS = TrainingStarts((0, 1, 2, 3), (10_000, 20_000), 0)


class EvenOnly:
    """Keeps the groups with even numbers: a trick whose choice is known beforehand."""

    @hookimpl
    def keep_group(self, group: Group) -> bool:
        return group.index % 2 == 0


def sampler(keep: Callable[[Group], bool], target: int, limit: int, acceptance: float = 1.0) -> GroupSampler:
    request = GroupRequest(lambda group: Start(0, group), ("k",), target, limit, 2)
    return GroupSampler(request, keep, range(limit), target, acceptance)


def gather(
    policy: Any,
    slots: int,
    tricks: list[object],
    wanted: int,
    most: int,
    acceptance: float = 1.0,
    on_group_end: Callable[[Group], object] = lambda group: None,
) -> RolloutBatch:
    pool = InProcessPool(make_tabletop("object", TabletopOptions(), slots))
    pool.forward_rows, pool.in_process = 1, False  # type: ignore[assignment]
    request = GroupRequest(STARTS.of_iteration(1), ("rollout", 0, 1), wanted, most, 2, acceptance)
    return collect(pool, Actor(policy, 1.6), request, RunHooks(tricks), SingleProcess(), on_group_end)


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_slots_do_not_change_the_batch(policy: Any, slots: int) -> None:
    found = gather(policy, slots, [EvenOnly()], wanted=3, most=12)
    assert [group.index for group in found.groups] == [0, 2, 4]
    assert found.sampled_groups == 5
    assert found.trajectories == 10
    reference = gather(policy, 2, [EvenOnly()], wanted=3, most=12)
    for one, other in zip(found.groups, reference.groups, strict=True):
        assert one.start == other.start
        for mine, theirs in zip(one.trajectories, other.trajectories, strict=True):
            assert (mine.tokens == theirs.tokens).all() and mine.success == theirs.success


def test_the_limit_ends_the_drawing(policy: Any) -> None:
    found = gather(policy, 4, [EvenOnly()], wanted=4, most=5)
    assert found.sampled_groups == 5
    assert [group.index for group in found.groups] == [0, 2, 4]


def test_without_tricks_everything_is_kept(policy: Any) -> None:
    found = gather(policy, 4, [], wanted=3, most=3)
    assert [group.index for group in found.groups] == [0, 1, 2] and found.sampled_groups == 3


def test_a_group_shares_its_start_and_differs_in_its_rollouts(policy: Any) -> None:
    group = gather(policy, 4, [], wanted=1, most=1).groups[0]
    first, second = group.trajectories
    assert first.start == second.start == group.start
    assert (first.observations.images["top"][0] == second.observations.images["top"][0]).all()
    assert not (first.tokens[0] == second.tokens[0]).all()


def test_starts_go_round_the_tasks() -> None:
    starts = [TrainingStarts((3, 6, 8), (0, 30), 5).start(2, group) for group in range(9)]
    assert all(sorted(one.task for one in starts[lap : lap + 3]) == [3, 6, 8] for lap in (0, 3, 6))
    assert all(0 <= one.index < 30 for one in starts)


@settings(max_examples=200)
@given(st.lists(st.booleans(), min_size=30, max_size=30), st.integers(1, 8), st.integers(1, 30), st.randoms())
def test_any_order_of_ending_gives_the_same_batch(keep: list[bool], wanted: int, most: int, random: Any) -> None:
    """Episodes end in any order; the batch is the shortest prefix of the launch order with `wanted` kept groups."""
    draw = sampler(lambda group: keep[group.index], wanted, most)
    playing: list[Episode] = []
    while True:
        while (episode := draw.next_episode()) is not None:
            playing.append(episode)
        if not playing:
            break
        ended = playing.pop(random.randrange(len(playing)))
        draw.add_trajectory(ended, _outcome(ended))
    kept = [group for group in range(most) if keep[group]][:wanted]
    assert sorted(draw.kept_groups) == kept
    assert draw.sampled_groups == (kept[-1] + 1 if len(kept) == wanted else most)


@settings(max_examples=300)
@given(
    keep=st.lists(st.booleans(), min_size=30, max_size=30),
    wanted=st.integers(1, 8),
    most=st.integers(1, 30),
    acceptance=st.floats(0, 1),
    slots=st.integers(1, 12),
    random=st.randoms(),
)
def test_over_provision_gives_the_same_batch(
    keep: list[bool], wanted: int, most: int, acceptance: float, slots: int, random: Any
) -> None:
    """Whatever is launched beyond need, and in whichever order episodes end or are cut short: the same batch, counts
    included, as without over-provision; never more than `most` groups; every chunk is in the batch or wasted."""
    found, played, begun = _drawn(keep, wanted, most, acceptance, slots, random)
    plain, *_ = _drawn(keep, wanted, most, 1.0, 1, random)
    assert [group.index for group in found.groups] == [group.index for group in plain.groups]
    for name in ("sampled_groups", "trajectories", "steps", "chunks", "successes"):
        assert getattr(found, name) == getattr(plain, name)
    assert plain.wasted_chunks == 0 and plain.surplus == ()
    assert begun <= most
    assert found.chunks + found.wasted_chunks == played
    assert all(keep[group.index] and group.index > found.groups[-1].index for group in found.surplus)


def _drawn(
    keep: list[bool], wanted: int, most: int, acceptance: float, slots: int, random: Any
) -> tuple[RolloutBatch, int, int]:
    """-> the batch, the chunks played and the groups begun, on `slots` slots whose episodes last as chance has it."""
    draw = sampler(lambda group: keep[group.index], wanted, most, acceptance)
    playing: list[Episode] = []
    played = 0
    while True:
        while len(playing) < slots and (episode := draw.next_episode()) is not None:
            playing.append(episode)
        if not playing:
            return draw.batch(), played, draw.started
        ended = playing.pop(random.randrange(len(playing)))
        complete = draw.needed(ended)
        chunks = 3 + ended.start.index % 4 if complete else random.randrange(3)
        played += chunks
        draw.add_trajectory(ended, _outcome(ended, chunks, complete))


def test_a_low_acceptance_keeps_slots_busy() -> None:
    """With half of the groups expected to go, twice as many are begun; what was not needed is forgotten or wasted."""
    draw = sampler(lambda group: True, 2, 9, 0.5)
    begun = list(iter(draw.next_episode, None))
    assert [episode.start.index for episode in begun] == [0, 0, 1, 1, 2, 2, 3, 3]
    for episode in (*begun[:2], *begun[4:6], begun[6]):  # groups 0 and 2 are whole, 3 is not: 1 may still be kept
        draw.add_trajectory(episode, _outcome(episode, 5))
    assert draw.last_needed_group == 2 and draw.needed(begun[2]) and not draw.needed(begun[7])
    for episode in begun[2:4]:
        draw.add_trajectory(episode, _outcome(episode, 5))
    draw.add_trajectory(begun[7], _outcome(begun[7], 1, complete=False))
    found = draw.batch()
    assert [group.index for group in found.groups] == [0, 1] and found.sampled_groups == 2
    assert [group.index for group in found.surplus] == [2]
    assert (found.chunks, found.wasted_chunks) == (20, 10 + 5 + 1)


@pytest.mark.parametrize(("slots", "acceptance"), [(1, 1.0), (8, 0.4)])
def test_groups_that_end_belong_to_the_batch_if_their_index_is_below_drawn(
    policy: Any, slots: int, acceptance: float
) -> None:
    """Rejected groups end too, and with over-provision groups beyond the batch."""
    ended: list[Group] = []
    batch = gather(policy, slots, [EvenOnly()], 3, 12, acceptance, ended.append)
    indices = sorted(group.index for group in ended)
    assert indices[: batch.sampled_groups] == list(range(5))
    assert sum(group.successes for group in ended if group.index < batch.sampled_groups) == batch.successes
    assert (len(indices) > batch.sampled_groups) == (acceptance < 1)


def test_over_provision_on_real_slots_gives_the_same_batch(policy: Any) -> None:
    plain = gather(policy, 3, [EvenOnly()], wanted=3, most=12)
    more = gather(policy, 8, [EvenOnly()], wanted=3, most=12, acceptance=0.4)
    assert [group.index for group in more.groups] == [group.index for group in plain.groups] == [0, 2, 4]
    assert (more.sampled_groups, more.chunks, more.successes) == (plain.sampled_groups, plain.chunks, plain.successes)
    assert plain.wasted_chunks == 0 < more.wasted_chunks
    for one, other in zip(more.groups, plain.groups, strict=True):
        for mine, theirs in zip(one.trajectories, other.trajectories, strict=True):
            assert (mine.tokens == theirs.tokens).all() and (mine.logprobs == theirs.logprobs).all()


def test_where_forwards_share_rows_nothing_is_launched_in_vain(policy: Any) -> None:
    """In process a row's neighbours are settled by which episodes play; one more would change bits."""
    pool = InProcessPool(make_tabletop("object", TabletopOptions(), 16))
    request = GroupRequest(STARTS.of_iteration(1), ("k",), 2, 9, 2, 0.1)
    found = collect(pool, Actor(policy, 1.6), request, RunHooks([EvenOnly()]), SingleProcess())
    assert found.wasted_chunks == 0 and found.sampled_groups == 3


def _outcome(episode: Episode, chunks: int = 0, complete: bool = True) -> Trajectory:
    nothing = Observation({}, np.zeros((0, 0), np.float32))
    empty = np.zeros((0, 0), np.float32)
    steps = np.ones(chunks, np.int64)
    return Trajectory(
        episode.start, episode.rollout, nothing, empty.astype(np.int16), empty, steps, False, (), complete
    )


def test_over_provision_with_worker_processes_gives_the_same_batch(policy: Any) -> None:
    """Begun in vain and cut short in whichever order workers answer: the batch of one slot that wastes nothing."""
    plain = gather(policy, 1, [EvenOnly()], wanted=2, most=8)
    pool = ProcessPool(TABLETOP, "object", TabletopOptions(), 3)
    try:
        request = GroupRequest(STARTS.of_iteration(1), ("rollout", 0, 1), 2, 8, 2, 0.3)
        more = collect(pool, Actor(policy, 1.6), request, RunHooks([EvenOnly()]), SingleProcess())
    finally:
        pool.close()
    assert [group.index for group in more.groups] == [group.index for group in plain.groups] == [0, 2]
    assert (more.sampled_groups, more.chunks) == (plain.sampled_groups, plain.chunks)
    for one, other in zip(more.groups, plain.groups, strict=True):
        for mine, theirs in zip(one.trajectories, other.trajectories, strict=True):
            assert (mine.tokens == theirs.tokens).all() and (mine.logprobs == theirs.logprobs).all()
