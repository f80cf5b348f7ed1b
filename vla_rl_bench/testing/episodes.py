"""Rules for episodes: starts, chunks, the step limit, what is seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from vla_rl_bench.interfaces import BatchedEnvironment, EnvironmentBase
from vla_rl_bench.rollout.pool import ACTIVITIES
from vla_rl_bench.testing.base import CHUNK, EnvironmentRules
from vla_rl_bench.testing.equality import Episode, difference, episode_difference, kept, result_difference
from vla_rl_bench.types import ChunkResult, FloatArray, Start


class EpisodeRules(EnvironmentRules):
    """What `reset` and `step_chunk` do."""

    def test_observations_are_what_the_contract_says(self, environment: BatchedEnvironment) -> None:
        for start in self.starts(environment):
            observation, results = self.play(environment, 0, start)
            for seen in (observation, *(one.observation for one in results if one.observation is not None)):
                self.check_observation(environment.contract, seen)

    def test_a_start_says_everything(self, environment: BatchedEnvironment) -> None:
        """The same start and actions give the same bytes: again, after another episode, in every slot."""
        starts = self.starts(environment)
        first = [self.play(environment, 0, start) for start in starts]
        for start, episode in zip(starts, first, strict=True):
            for slot in range(self.slots):
                found = episode_difference(episode, self.play(environment, slot, start))
                assert not found, f"{start} in slot {slot}: another {found}"

    def test_other_starts_differ(self, environment: BatchedEnvironment) -> None:
        first = environment.contract.splits["training"][0]
        for task in self.played(environment):
            one, other = (kept(environment.reset_slots([0], [Start(task, first + k)])[0]) for k in (0, 1))
            assert difference(one, other), f"starts {first} and {first + 1} of task {task} look the same"

    def test_slots_do_not_disturb_each_other(self, environment: BatchedEnvironment) -> None:
        """Two episodes step by turns, in one process, as if each were alone."""
        if self.slots < 2:
            pytest.skip("one slot a process")
        first = environment.contract.splits["training"][0]
        starts = [Start(self.played(environment)[0], first + k) for k in (0, 1)]
        alone = [self.play(environment, 0, start) for start in starts]
        for expected, got in zip(alone, self.by_turns(environment, starts), strict=True):
            assert not (found := episode_difference(expected, got)), f"beside another: another {found}"

    def test_a_chunk_is_its_single_steps(self, environment: BatchedEnvironment) -> None:
        """Observation, success, steps and events; through `step_chunk` where there is one, and through `step`."""
        if self.chunks_differ:
            pytest.skip(self.chunks_differ)
        for start in self.starts(environment):
            draw = np.random.default_rng([start.task, start.index])
            chunks = [self.draw(environment, draw, CHUNK) for _ in range(3)]
            seen, whole = self.follow(environment, start, chunks)
            for way, singly in (("of one action", self.single_chunks), ("through `step`", self.single_steps)):
                again, single = singly(environment, start, chunks)
                assert not difference(seen, again)
                for number, (one, other) in enumerate(zip(whole, single, strict=True)):
                    found = result_difference(one, other)
                    assert not found, f"{start}, chunk {number} and its actions {way} differ: {found}"

    def test_episodes_end_at_the_step_limit_at_the_latest(self, environment: BatchedEnvironment) -> None:
        """Also inside a chunk; what is left of it is not executed."""
        for start in self.starts(environment):
            limit = environment.contract.tasks[start.task].step_limit
            chunk = next(size for size in range(CHUNK, CHUNK + limit + 1) if limit % size)
            for actions in (chunk, 1):
                results = self.play(environment, 0, start, actions, whole=True)[1]
                assert [one.done for one in results] == [False] * (len(results) - 1) + [True]
                assert all(one.steps == actions and not one.success for one in results[:-1])
                assert all(one.observation is not None for one in results[:-1])
                taken = sum(one.steps for one in results)
                assert results[-1].observation is None
                assert taken == limit or (results[-1].success and taken < limit), f"{taken} steps of {limit}"

    def test_films_are_pictures(self, environment: BatchedEnvironment) -> None:
        start = self.starts(environment)[0]
        environment.reset_slots([0], [start])
        before = environment.film_slot(0).copy()
        assert before.dtype == np.uint8
        assert before.ndim == 3 and before.shape[2] == 3
        self.step(environment, 0, self.draw(environment, np.random.default_rng(0), 1))
        assert environment.film_slot(0).shape == before.shape, "all frames of a film are of one size"

    def test_filming_changes_nothing(self, environment: BatchedEnvironment) -> None:
        start = self.starts(environment)[0]
        draw = np.random.default_rng(0)
        chunks = [self.draw(environment, draw, CHUNK) for _ in range(2)]
        plain = self.follow(environment, start, chunks)
        seen = kept(environment.reset_slots([0], [start])[0])
        results = []
        for actions in chunks[: len(plain[1])]:
            environment.film_slot(0)
            results.append(self.step(environment, 0, actions))
        assert not episode_difference(plain, (seen, results))

    def test_seconds_are_accounted_for(self, environment: BatchedEnvironment) -> None:
        environment.reset_slots([0], self.starts(environment)[:1])
        before = dict(environment.seconds)
        self.step(environment, 0, self.draw(environment, np.random.default_rng(0), CHUNK))
        known = {*ACTIVITIES, "transfer"}
        assert {name.removeprefix("cpu:") for name in environment.seconds} <= known
        assert all(environment.seconds[name] >= value for name, value in before.items())
        assert sum(environment.seconds.values()) > sum(before.values())

    def test_gymnasium_check_env_passes(self) -> None:
        """The environment is a gymnasium environment: ``check_env`` accepts it with the spaces of its contract."""
        if self.entry.batched or self.elsewhere():
            pytest.skip("gymnasium checks a single environment of this interpreter")
        check_env = pytest.importorskip("gymnasium.utils.env_checker").check_env
        from vla_rl_bench.testing.gymnasium_env import GymnasiumEnv

        environment = self.make_single()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # advice on spaces, such as bounds of observations
            check_env(GymnasiumEnv(environment, self.played(environment)), skip_render_check=True)

    # -- what these tests use

    def by_turns(self, environment: BatchedEnvironment, starts: Sequence[Start]) -> list[Episode]:
        draws = [np.random.default_rng([start.task, start.index]) for start in starts]
        seen = [kept(environment.reset_slots([slot], [start])[0]) for slot, start in enumerate(starts)]
        results: list[list[ChunkResult]] = [[] for _ in starts]
        while running := [
            slot for slot, found in enumerate(results) if not found or not (found[-1].done or self.enough(found))
        ]:
            for slot in running:
                results[slot].append(self.step(environment, slot, self.draw(environment, draws[slot], CHUNK)))
        return list(zip(seen, results, strict=True))

    def single_chunks(self, environment: BatchedEnvironment, start: Start, chunks: Sequence[FloatArray]) -> Episode:
        observation = kept(environment.reset_slots([0], [start])[0])
        results: list[ChunkResult] = []
        for chunk in chunks:
            if results and results[-1].done:
                break
            singles: list[ChunkResult] = []
            for action in chunk:
                singles.append(self.step(environment, 0, action[None]))
                if singles[-1].done:
                    break
            results.append(_joined(singles))
        return observation, results

    def single_steps(self, environment: BatchedEnvironment, start: Start, chunks: Sequence[FloatArray]) -> Episode:
        """Through gymnasium's `step`; for a batched environment, which has none, as `single_chunks`."""
        if self.entry.batched or self.elsewhere():
            return self.single_chunks(environment, start, chunks)
        plain = environment._environment(0)  # type: ignore[attr-defined]
        observation = kept(plain.reset(options={"start": start})[0])
        results: list[ChunkResult] = []
        for chunk in chunks:
            if results and results[-1].done:
                break
            results.append(EnvironmentBase.step_chunk(plain, chunk))
        return observation, results


def _joined(singles: list[ChunkResult]) -> ChunkResult:
    """Chunks of one action as the chunk that they are together."""
    last = singles[-1]
    events = tuple(event for one in singles for event in one.events)
    return ChunkResult(last.observation, sum(one.steps for one in singles), last.success, last.done, events)
