"""Rules for episodes: starts, chunks, the step limit, observations."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from vla_rl_bench.interfaces import BatchedEnvironment, EnvironmentBase
from vla_rl_bench.rollout.pool import ACTIVITIES
from vla_rl_bench.testing.base import CHUNK, EnvironmentRules
from vla_rl_bench.testing.equality import Episode, copy_observation, difference, episode_difference, result_difference
from vla_rl_bench.types import ChunkResult, FloatArray, Start


class EpisodeRules(EnvironmentRules):
    """Rules for `reset`, `step`, `step_chunk`, `film` and `seconds`."""

    def test_observations_match_the_contract(self, environment: BatchedEnvironment) -> None:
        for start in self.starts(environment):
            observation, results = self.play(environment, 0, start)
            self.check_observation(environment.contract, observation)
            for result in results:
                if result.observation is not None:
                    self.check_observation(environment.contract, result.observation)

    def test_episodes_repeat_from_the_same_start(self, environment: BatchedEnvironment) -> None:
        """The same start and actions give the same bytes: again, after another episode, in every slot."""
        starts = self.starts(environment)
        first = [self.play(environment, 0, start) for start in starts]
        for start, episode in zip(starts, first, strict=True):
            for slot in range(self.slots):
                text = episode_difference(episode, self.play(environment, slot, start))
                assert not text, f"{start} in slot {slot}: different {text}"

    def test_different_starts_differ(self, environment: BatchedEnvironment) -> None:
        first = environment.contract.splits["training"][0]
        for task in self.played(environment):
            starts = [Start(task, first), Start(task, first + 1)]
            observations = [copy_observation(environment.reset_slots([0], [start])[0]) for start in starts]
            assert difference(*observations), f"{starts[0]} and {starts[1]} look the same"

    def test_slots_are_independent(self, environment: BatchedEnvironment) -> None:
        """Two episodes that alternate in one process are the same as each one alone."""
        if self.slots < 2:
            pytest.skip("one slot per process")
        first = environment.contract.splits["training"][0]
        starts = [Start(self.played(environment)[0], first + k) for k in (0, 1)]
        alone = [self.play(environment, 0, start) for start in starts]
        for expected, episode in zip(alone, self.play_alternating(environment, starts), strict=True):
            assert not (text := episode_difference(expected, episode)), f"beside a second episode: different {text}"

    def test_chunk_equals_its_single_steps(self, environment: BatchedEnvironment) -> None:
        """Observation, success, steps and events are those of chunks of one action, and of single `step` calls."""
        if self.chunks_differ:
            pytest.skip(self.chunks_differ)
        for start in self.starts(environment):
            rng = np.random.default_rng([start.task, start.index])
            chunks = [self.draw(environment, rng, CHUNK) for _ in range(3)]
            observation, results = self.follow(environment, start, chunks)
            for name, play in (("chunks of one action", self.single_chunks), ("`step`", self.single_steps)):
                first_observation, single_results = play(environment, start, chunks)
                assert not difference(observation, first_observation)
                for number, (result, single) in enumerate(zip(results, single_results, strict=True)):
                    text = result_difference(result, single)
                    assert not text, f"{start}, chunk {number} differs from {name}: {text}"

    def test_episodes_end_at_the_step_limit(self, environment: BatchedEnvironment) -> None:
        """Episodes end there at the latest, also inside a chunk, whose other actions are not executed."""
        for start in self.starts(environment):
            limit = environment.contract.tasks[start.task].step_limit
            chunk = next(size for size in range(CHUNK, CHUNK + limit + 1) if limit % size)
            for actions in (chunk, 1):
                results = self.play(environment, 0, start, actions, whole=True)[1]
                assert [result.done for result in results] == [False] * (len(results) - 1) + [True]
                assert all(result.steps == actions and not result.success for result in results[:-1])
                assert all(result.observation is not None for result in results[:-1])
                taken = sum(result.steps for result in results)
                assert results[-1].observation is None
                assert taken == limit or (results[-1].success and taken < limit), f"{taken} steps of {limit}"

    def test_film_gives_images_of_one_size(self, environment: BatchedEnvironment) -> None:
        start = self.starts(environment)[0]
        environment.reset_slots([0], [start])
        before = environment.film_slot(0).copy()
        assert before.dtype == np.uint8
        assert before.ndim == 3 and before.shape[2] == 3
        self.step(environment, 0, self.draw(environment, np.random.default_rng(0), 1))
        assert environment.film_slot(0).shape == before.shape, "all frames of a film are of one size"

    def test_film_does_not_change_the_episode(self, environment: BatchedEnvironment) -> None:
        start = self.starts(environment)[0]
        rng = np.random.default_rng(0)
        chunks = [self.draw(environment, rng, CHUNK) for _ in range(2)]
        plain = self.follow(environment, start, chunks)
        observation = copy_observation(environment.reset_slots([0], [start])[0])
        results = []
        for actions in chunks[: len(plain[1])]:
            environment.film_slot(0)
            results.append(self.step(environment, 0, actions))
        assert not episode_difference(plain, (observation, results))

    def test_seconds_grow_under_known_names(self, environment: BatchedEnvironment) -> None:
        environment.reset_slots([0], self.starts(environment)[:1])
        before = dict(environment.seconds)
        self.step(environment, 0, self.draw(environment, np.random.default_rng(0), CHUNK))
        assert {name.removeprefix("cpu:") for name in environment.seconds} <= {*ACTIVITIES, "transfer"}
        assert all(environment.seconds[name] >= value for name, value in before.items())
        assert sum(environment.seconds.values()) > sum(before.values())

    def test_gymnasium_check_env_passes(self) -> None:
        """The environment is a gymnasium environment: ``check_env`` accepts it with the spaces of its contract."""
        if self.entry.batched or self.in_worker():
            pytest.skip("gymnasium checks a single environment of this interpreter")
        check_env = pytest.importorskip("gymnasium.utils.env_checker").check_env
        from vla_rl_bench.testing.gymnasium_env import GymnasiumEnv

        environment = self.make_single()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # advice on spaces, such as bounds of observations
            check_env(GymnasiumEnv(environment, self.played(environment)), skip_render_check=True)

    # -- ways of playing

    def play_alternating(self, environment: BatchedEnvironment, starts: Sequence[Start]) -> list[Episode]:
        """Play the episodes of `play` from several starts, one chunk of each in turn."""
        rngs = [np.random.default_rng([start.task, start.index]) for start in starts]
        observations = [
            copy_observation(environment.reset_slots([slot], [start])[0]) for slot, start in enumerate(starts)
        ]
        results: list[list[ChunkResult]] = [[] for _ in starts]
        while running := [
            slot
            for slot, episode in enumerate(results)
            if not episode or not (episode[-1].done or self.enough(episode))
        ]:
            for slot in running:
                results[slot].append(self.step(environment, slot, self.draw(environment, rngs[slot], CHUNK)))
        return list(zip(observations, results, strict=True))

    def single_chunks(self, environment: BatchedEnvironment, start: Start, chunks: Sequence[FloatArray]) -> Episode:
        """Play chunks of actions on slot 0 as chunks of one action."""
        observation = copy_observation(environment.reset_slots([0], [start])[0])
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
        """Play chunks of actions with `step`; as `single_chunks` if that cannot be called from here."""
        if self.entry.batched or self.in_worker():
            return self.single_chunks(environment, start, chunks)
        single = environment._environment(0)  # type: ignore[attr-defined]
        observation = copy_observation(single.reset(options={"start": start})[0])
        results: list[ChunkResult] = []
        for chunk in chunks:
            if results and results[-1].done:
                break
            results.append(EnvironmentBase.step_chunk(single, chunk))
        return observation, results


def _joined(singles: list[ChunkResult]) -> ChunkResult:
    """Join the results of chunks of one action to that of one chunk."""
    last = singles[-1]
    events = tuple(event for single in singles for event in single.events)
    return ChunkResult(last.observation, sum(single.steps for single in singles), last.success, last.done, events)
