"""Rollouts do not depend on slots, workers or timing; what is stored is what a fresh pass would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool, Pool, ProcessPool
from vla_rl_bench.rollout.scheduler import Episode, film, roll_out
from vla_rl_bench.types import Start, Trajectory

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
    in_process: Callable[..., InProcessPool], processes: Callable[[int], ProcessPool], policy: Any
) -> None:
    assert_same(play(in_process(3, rows=1), policy), play(processes(2), policy))


def test_greedy_needs_no_random_numbers(in_process: Callable[..., InProcessPool], policy: Any) -> None:
    assert_same(play(in_process(4, rows=1), policy, None), play(in_process(2, rows=1), policy, None))


@pytest.mark.parametrize("temperature", [1.0, 1.6])
def test_stored_logprobs_are_those_of_a_fresh_pass(
    in_process: Callable[..., InProcessPool], policy: Any, temperature: float
) -> None:
    pool = in_process(6)
    for trajectory in play(pool, policy, temperature):
        instruction = pool.contract.tasks[trajectory.start.task].instruction
        inputs = policy.collate(trajectory.observations, [instruction] * len(trajectory.steps))
        with torch.no_grad():
            fresh = token_logprobs(policy(inputs), torch.from_numpy(trajectory.tokens.astype(np.int64)), temperature)
        np.testing.assert_allclose(trajectory.logprobs, fresh.numpy(), atol=2e-5)


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
            fresh.step(0, policy.unnormalise(action_tokens.decode(tokens).reshape(policy.chunk, policy.action_dim)))
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
