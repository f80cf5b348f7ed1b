"""What vla-rl-bench relies on in an environment, as tests to subclass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vla_rl_bench.interfaces import BatchedEnvironment, Environment
from vla_rl_bench.rollout.slots import SlotEnvironments
from vla_rl_bench.types import SPLITS, ChunkResult, Demonstration, FloatArray, Observation, Start

CHUNK = 4  # actions


class EnvironmentContract:
    """Subclass it as ``class TestMine(EnvironmentContract)`` and define `make`.

    Episodes run through the slots that a rollout uses, with random actions from the environment's own bounds.
    """

    def make(self) -> Environment | BatchedEnvironment:
        """A fresh environment; a batched one with at least two slots."""
        raise NotImplementedError

    @pytest.fixture
    def environment(self) -> BatchedEnvironment:
        made = self.make()
        return made if isinstance(made, BatchedEnvironment) else SlotEnvironments(lambda: _plain(self.make()), 2)

    def starts(self, environment: BatchedEnvironment) -> list[Start]:
        """The first training start of each task."""
        first = environment.contract.splits["training"][0]
        return [Start(task, first) for task in range(len(environment.contract.tasks))]

    def test_the_contract_is_consistent(self, environment: BatchedEnvironment) -> None:
        contract = environment.contract
        action = contract.action
        assert contract.tasks
        assert all(task.step_limit > 0 and task.instruction for task in contract.tasks)
        assert len(action.low) == len(action.high) == len(action.noop) == action.dimensions > 0
        assert all(low <= noop <= high for low, noop, high in zip(action.low, action.noop, action.high, strict=True))
        assert contract.protocol

    def test_held_out_starts_are_not_trained_on(self, environment: BatchedEnvironment) -> None:
        splits = environment.contract.splits
        assert set(splits) == set(SPLITS)
        assert all(first < stop for first, stop in splits.values())
        held = range(*splits["held-out"])
        for split in ("demonstration", "training"):
            seen = range(*splits[split])
            assert max(held.start, seen.start) >= min(held.stop, seen.stop), f"held-out overlaps {split}"

    def test_observations_are_what_the_contract_says(self, environment: BatchedEnvironment) -> None:
        for start in self.starts(environment):
            self.check_observation(environment, environment.reset_slots([0], [start])[0])

    def test_a_start_says_everything(self, environment: BatchedEnvironment) -> None:
        """The same start and actions give the same bytes, on another slot and after another episode."""
        for start in self.starts(environment):
            played = self.play(environment, 0, start)
            assert _same(played, self.play(environment, 0, start))
            assert _same(played, self.play(environment, 1, start))

    def test_other_starts_differ(self, environment: BatchedEnvironment) -> None:
        first = environment.contract.splits["training"][0]
        seen = [environment.reset_slots([0], [Start(0, first + index)])[0] for index in range(2)]
        assert not _equal(seen[0], seen[1])

    def test_episodes_end_at_the_step_limit_at_the_latest(self, environment: BatchedEnvironment) -> None:
        for start in self.starts(environment):
            results = self.play(environment, 0, start)[1]
            limit = environment.contract.tasks[start.task].step_limit
            assert [result.done for result in results] == [False] * (len(results) - 1) + [True]
            assert all(result.steps == CHUNK for result in results[:-1])
            assert sum(result.steps for result in results) <= limit
            assert results[-1].success or sum(result.steps for result in results) == limit
            assert results[-1].observation is None
            for result in results[:-1]:
                assert result.observation is not None
                self.check_observation(environment, result.observation)

    def test_demonstrations_repeat_and_fit(self, environment: BatchedEnvironment) -> None:
        """The same start and seed give the same demonstration, one observation an action, from the reset on."""
        first = environment.contract.splits["demonstration"][0]
        starts = [Start(task, first) for task in range(len(environment.contract.tasks))]
        shown = self.demonstrate(environment, starts)
        again = self.demonstrate(environment, starts)
        for start, one, other in zip(starts, shown, again, strict=True):
            if one is None or other is None:
                assert one is other, "the expert fails only sometimes"
                continue
            assert one.start == start
            assert one.actions.dtype == np.float32
            assert one.actions.shape == (len(one.observations.proprio), environment.contract.action.dimensions)
            assert np.array_equal(one.actions, other.actions)
            assert _equal(one.observations, other.observations)
            assert _equal(one.observations[0], environment.reset_slots([0], [start])[0])

    # -- what the tests use

    def check_observation(self, environment: BatchedEnvironment, observation: Observation) -> None:
        contract = environment.contract
        for image in contract.images:
            assert observation.images[image.name].shape == (image.height, image.width, 3)
            assert observation.images[image.name].dtype == np.uint8
        assert observation.proprio.shape == (len(contract.proprio),)
        assert observation.proprio.dtype == np.float32
        assert np.isfinite(observation.proprio).all()

    def play(
        self, environment: BatchedEnvironment, slot: int, start: Start
    ) -> tuple[Observation, Sequence[ChunkResult]]:
        """An episode of random chunks, the same each time."""
        draw = np.random.default_rng([start.task, start.index])
        observation = environment.reset_slots([slot], [start])[0]
        results: list[ChunkResult] = []
        while not results or not results[-1].done:
            results += environment.step_slots([slot], self.chunk(environment, draw)[None])
        return observation, results

    def chunk(self, environment: BatchedEnvironment, draw: np.random.Generator) -> FloatArray:
        """float32 ``[CHUNK, D]``, uniform within the bounds."""
        action = environment.contract.action
        return draw.uniform(action.low, action.high, (CHUNK, action.dimensions)).astype(np.float32)

    def demonstrate(self, environment: BatchedEnvironment, starts: Sequence[Start]) -> list[Demonstration | None]:
        if isinstance(environment, SlotEnvironments) and not hasattr(self.make(), "demonstrate"):
            pytest.skip("this environment has no expert")
        return environment.demonstrate_many(starts, 0)


def _plain(made: Environment | BatchedEnvironment) -> Environment:
    assert isinstance(made, Environment), "`make` must give an Environment or a BatchedEnvironment"
    return made


def _equal(one: Observation, other: Observation) -> bool:
    images = (np.array_equal(image, other.images[name]) for name, image in one.images.items())
    return np.array_equal(one.proprio, other.proprio) and all(images)


def _same(one: tuple[Observation, Sequence[ChunkResult]], other: tuple[Observation, Sequence[ChunkResult]]) -> bool:
    """Two episodes, byte for byte."""
    if not _equal(one[0], other[0]) or len(one[1]) != len(other[1]):
        return False
    for a, b in zip(one[1], other[1], strict=True):
        if (a.steps, a.success, a.done, a.events) != (b.steps, b.success, b.done, b.events):
            return False
        if a.observation is not None and (b.observation is None or not _equal(a.observation, b.observation)):
            return False
    return True
