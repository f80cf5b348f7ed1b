"""Which groups a batch holds is a function of the seed: never of slots, workers or timing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.engine.collect import Collected, _Draw, collect, training_start
from vla_rl_bench.engine.hooks import Engine
from vla_rl_bench.engine.ranks import Alone
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.rollout.scheduler import Episode
from vla_rl_bench.types import Group, Observation, Start, Trajectory


class EvenOnly:
    """Keeps the groups with even numbers: a trick whose choice is known beforehand."""

    @hookimpl
    def keep_group(self, group: Group) -> bool:
        return group.index % 2 == 0


def gather(policy: Any, slots: int, tricks: list[object], wanted: int, most: int) -> Collected:
    pool = InProcessPool(make_tabletop("object", TabletopOptions(), slots))
    pool.forward_rows = 1  # type: ignore[assignment]
    start_of = partial(training_start, (0, 1, 2, 3), (10_000, 20_000), 0, 1)
    key = ("rollout", 0, 1)
    return collect(
        pool, Actor(policy, 1.6), Engine(tricks), start_of, Alone(), key=key, wanted=wanted, most=most, size=2
    )


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_slots_do_not_change_the_batch(policy: Any, slots: int) -> None:
    found = gather(policy, slots, [EvenOnly()], wanted=3, most=12)
    assert [group.index for group in found.groups] == [0, 2, 4]
    assert found.drawn == 5
    assert found.trajectories == 10
    reference = gather(policy, 2, [EvenOnly()], wanted=3, most=12)
    for one, other in zip(found.groups, reference.groups, strict=True):
        assert one.start == other.start
        for mine, theirs in zip(one.trajectories, other.trajectories, strict=True):
            assert (mine.tokens == theirs.tokens).all() and mine.success == theirs.success


def test_the_limit_ends_the_drawing(policy: Any) -> None:
    found = gather(policy, 4, [EvenOnly()], wanted=4, most=5)
    assert found.drawn == 5
    assert [group.index for group in found.groups] == [0, 2, 4]


def test_without_tricks_everything_is_kept(policy: Any) -> None:
    found = gather(policy, 4, [], wanted=3, most=3)
    assert [group.index for group in found.groups] == [0, 1, 2] and found.drawn == 3


def test_a_group_shares_its_start_and_differs_in_its_rollouts(policy: Any) -> None:
    group = gather(policy, 4, [], wanted=1, most=1).groups[0]
    first, second = group.trajectories
    assert first.start == second.start == group.start
    assert (first.observations.images["top"][0] == second.observations.images["top"][0]).all()
    assert not (first.tokens[0] == second.tokens[0]).all()


def test_starts_go_round_the_tasks() -> None:
    starts = [training_start((3, 6, 8), (0, 30), 5, 2, group) for group in range(9)]
    assert all(sorted(one.task for one in starts[lap : lap + 3]) == [3, 6, 8] for lap in (0, 3, 6))
    assert all(0 <= one.index < 30 for one in starts)


@settings(max_examples=200)
@given(st.lists(st.booleans(), min_size=30, max_size=30), st.integers(1, 8), st.integers(1, 30), st.randoms())
def test_any_order_of_ending_gives_the_same_batch(keep: list[bool], wanted: int, most: int, random: Any) -> None:
    """Episodes end in any order; the batch is the shortest prefix of the launch order with `wanted` kept groups."""
    draw = _Draw(lambda group: Start(0, group), ("k",), lambda group: keep[group.index], wanted, range(most), 2)
    playing: list[Episode] = []
    while True:
        while (episode := draw.next_episode()) is not None:
            playing.append(episode)
        if not playing:
            break
        ended = playing.pop(random.randrange(len(playing)))
        draw.take(ended, _outcome(ended))
    kept = [group for group in range(most) if keep[group]][:wanted]
    assert sorted(draw.kept) == kept
    assert draw.launched == (kept[-1] + 1 if len(kept) == wanted else most)


def _outcome(episode: Episode) -> Trajectory:
    import numpy as np

    nothing = Observation({}, np.zeros((0, 0), np.float32))
    empty = np.zeros((0, 0), np.float32)
    return Trajectory(
        episode.start, episode.rollout, nothing, empty.astype(np.int16), empty, np.zeros(0, np.int64), False
    )
