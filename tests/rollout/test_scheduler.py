"""Rollouts do not depend on slots, workers or timing; what is stored is what a fresh pass would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.rollout.conftest import RowByRow
from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool, Pool, ProcessPool
from vla_rl_bench.rollout.scheduler import Episode, film, roll_out
from vla_rl_bench.types import Start, Trajectory

pytestmark = pytest.mark.numeric

STARTS = [Start(task, 10_000 + index) for index in range(3) for task in range(4)]


def play(pool: Pool, policy: Any, temperature: float | None = 1.6) -> list[Trajectory]:
    """The trajectories of `STARTS`, in that order."""
    episodes = [Episode(start, 0, ("test", start.task, start.index)) for start in STARTS]
    waiting = iter(episodes)
    found = dict(roll_out(pool, Actor(policy, temperature), lambda: next(waiting, None), keep=True))
    return [found[episode] for episode in episodes]


def assert_same(a: list[Trajectory], b: list[Trajectory]) -> None:
    for one, other in zip(a, b, strict=True):
        assert (one.start, one.success, one.events) == (other.start, other.success, other.events)
        assert np.array_equal(one.tokens, other.tokens)
        assert np.array_equal(one.logprobs, other.logprobs)
        assert np.array_equal(one.steps, other.steps)
        assert np.array_equal(one.observations.images["top"], other.observations.images["top"])
        assert np.array_equal(one.observations.proprio, other.observations.proprio)


def test_slots_change_nothing(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    assert_same(play(in_process(1, rows=1), policy), play(in_process(5, rows=1), policy))


def test_worker_processes_change_nothing(
    in_process: Callable[..., InProcessPool], processes: Callable[..., ProcessPool], policy: Any
) -> None:
    assert_same(play(in_process(3, rows=1), policy), play(processes(2), policy))


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(("workers", "environments"), [(2, 1), (4, 1), (1, 2), (2, 2)])
def test_neither_workers_nor_environments_change_a_bit(
    processes: Callable[..., ProcessPool], policy: Any, rows: int, workers: int, environments: int
) -> None:
    policy = policy if rows == 1 else RowByRow(policy)
    alone = play(processes(1, forward_rows=rows), policy)
    assert_same(play(processes(workers, environments=environments, forward_rows=rows), policy), alone)


def test_without_determinism_ready_observations_share_a_forward(
    processes: Callable[..., ProcessPool], policy: Any
) -> None:
    """Batches then depend on timing: tokens may differ between two rollouts, each with the log-probs of its own."""
    pool = processes(2, environments=3, deterministic=False)
    trajectories = play(pool, policy)
    assert [trajectory.start for trajectory in trajectories] == STARTS
    for trajectory in trajectories:
        assert_fresh_logprobs(trajectory, pool, policy, 1.6)


def assert_fresh_logprobs(trajectory: Trajectory, pool: Pool, policy: Any, temperature: float) -> None:
    """Compare the stored log-probs with those of a forward over all chunks of the trajectory."""
    instruction = pool.contract.tasks[trajectory.start.task].instruction
    inputs = policy.collate(trajectory.observations, [instruction] * len(trajectory.steps))
    with torch.no_grad():
        fresh = token_logprobs(policy(inputs), torch.from_numpy(trajectory.tokens.astype(np.int64)), temperature)
    np.testing.assert_allclose(trajectory.logprobs, fresh.numpy(), atol=2e-5)


def group(size: int) -> list[Episode]:
    """Episodes of one start, each with random numbers of its own."""
    return [Episode(Start(1, 10_007), rollout, ("group", rollout)) for rollout in range(size)]


def played(pool: Pool, actor: Actor, episodes: list[Episode]) -> list[Trajectory]:
    waiting = iter(episodes)
    found = dict(roll_out(pool, actor, lambda: next(waiting, None), keep=True))
    return [found[episode] for episode in episodes]


@pytest.mark.parametrize("rows", [1, 4])
def test_a_groups_first_look_is_one_forward(processes: Callable[..., ProcessPool], policy: Any, rows: int) -> None:
    """Members share the forward, not the luck; and play as each would alone."""
    policy = policy if rows == 1 else RowByRow(policy)
    actor, pool = Actor(policy, 1.6), processes(2, environments=2, forward_rows=rows)
    together = played(pool, actor, group(6))
    assert actor.reused == 5
    assert actor.chunks == sum(len(one.steps) for one in together)
    assert actor.forwards <= actor.chunks - actor.reused
    assert len({one.tokens[0].tobytes() for one in together}) > 1
    alone = [played(pool, Actor(policy, 1.6), [episode])[0] for episode in group(6)]
    assert_same(together, alone)


def test_in_process_every_look_is_forwarded_as_ever(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    """To leave a row out would change the shape, and so perhaps the bits, of the others."""
    actor = Actor(policy, 1.6)
    together = played(in_process(3), actor, group(6))
    assert actor.reused == 0 and actor.chunks == sum(len(one.steps) for one in together)


def test_in_process_without_determinism_the_first_look_is_shared(
    in_process: Callable[..., InProcessPool], policy: Any
) -> None:
    actor, pool = Actor(policy, 1.6), in_process(3)
    pool.deterministic = False
    played(pool, actor, group(6))
    assert actor.reused == 5


def test_episodes_that_nobody_needs_end_early(processes: Callable[..., ProcessPool], policy: Any) -> None:
    """One that waits never begins; one under way is cut short; the others are as they were."""
    pool, episodes, asked = processes(2), group(4), 0

    def needed(episode: Episode) -> bool:
        nonlocal asked
        asked += episode.rollout == 1
        return episode.rollout == 0 or (episode.rollout == 1 and asked <= 4)

    waiting = iter(episodes)
    found = dict(roll_out(pool, Actor(policy, 1.6), lambda: next(waiting, None), keep=True, needed=needed))
    alone = played(pool, Actor(policy, 1.6), episodes)
    assert set(found) == set(episodes[:2])
    assert_same([found[episodes[0]]], alone[:1])
    cut = found[episodes[1]]
    assert 0 < len(cut.steps) < len(alone[1].steps) and not cut.success and not len(cut.tokens)


def test_greedy_needs_no_random_numbers(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    assert_same(play(in_process(4, rows=1), policy, None), play(in_process(2, rows=1), policy, None))


@pytest.mark.parametrize("temperature", [1.0, 1.6])
def test_stored_logprobs_are_those_of_a_fresh_pass(
    in_process: Callable[..., InProcessPool], policy: Any, temperature: float
) -> None:
    pool = in_process(6)
    for trajectory in play(pool, policy, temperature):
        assert_fresh_logprobs(trajectory, pool, policy, temperature)


def test_replaying_the_tokens_gives_the_same_episode(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    """Tokens, decoded and handed to a fresh environment, lead to the recorded frames and outcome."""
    pool = in_process(4)
    for trajectory in play(pool, policy)[:3]:
        fresh = in_process(1)
        fresh.reset(0, trajectory.start)
        answer = fresh.wait()[0]
        for chunk, tokens in enumerate(trajectory.tokens):
            assert answer.observation is not None
            assert np.array_equal(answer.observation.images["top"], trajectory.observations.images["top"][chunk])
            fresh.step(0, policy.unnormalize(action_tokens.decode(tokens).reshape(policy.chunk, policy.action_dim)))
            answer = fresh.wait()[0]
        assert answer.result is not None and answer.result.done
        assert answer.result.success == trajectory.success
        assert answer.result.steps == trajectory.steps[-1]


def test_a_trajectory_holds_only_what_happened(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    for trajectory in play(in_process(3), policy):
        chunks = len(trajectory.steps)
        assert len(trajectory.tokens) == len(trajectory.logprobs) == len(trajectory.observations.proprio) == chunks
        assert trajectory.observations.images["top"].dtype == np.uint8
        assert (trajectory.steps[:-1] == policy.chunk).all()
        assert trajectory.length <= 24


def test_a_film_shows_every_step_and_the_same_outcome(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    greedy = play(in_process(1, rows=1), policy, None)[0]
    frames, success = film(in_process(1), Actor(policy, None), greedy.start)
    assert success == greedy.success
    assert len(frames) == greedy.length + 1
