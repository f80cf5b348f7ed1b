"""Rules for demonstrations, and for the end of an episode by success."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.testing.base import EnvironmentRules
from vla_rl_bench.testing.equality import difference
from vla_rl_bench.types import ChunkResult, FloatArray, Start

PADDING = 3  # actions after the one that solves the task


class ExpertRules(EnvironmentRules):
    """Rules for environments with `demonstrate`; skipped if `expert` is False."""

    def test_demonstrations_repeat_and_fit(self, environment: BatchedEnvironment) -> None:
        """The same start and seed give the same demonstration, one observation per action, from the reset on."""
        starts = self.starts(environment, "demonstration")
        demonstrations, repeated = (self.demonstrate(environment, starts) for _ in range(2))
        action = environment.contract.action
        for start, demonstration, repetition in zip(starts, demonstrations, repeated, strict=True):
            if demonstration is None or repetition is None:
                assert demonstration is repetition, "the expert fails only sometimes"
                continue
            observations, actions = demonstration.observations, demonstration.actions
            assert demonstration.start == start
            assert actions.dtype == np.float32
            assert actions.shape == (len(observations.proprio), action.dimensions)
            assert 0 < len(actions) <= environment.contract.tasks[start.task].step_limit
            assert (actions >= np.array(action.low, np.float32)).all()
            assert (actions <= np.array(action.high, np.float32)).all()
            assert np.array_equal(actions, repetition.actions)
            assert not difference(observations, repetition.observations)
            self.check_observation(environment.contract, observations[0])
            assert not difference(observations[0], environment.reset_slots([0], [start])[0])

    def test_success_is_terminal(self, environment: BatchedEnvironment) -> None:
        """The action that solves the task is the last one executed, although the chunk has more."""
        start, actions, results = self.solved(environment)
        assert [result.done for result in results] == [False] * (len(actions) - 1) + [True]
        action = environment.contract.action
        last = actions[-1] if action.absolute else np.array(action.noop, np.float32)
        environment.reset_slots([0], [start])
        result = self.step(environment, 0, np.concatenate([actions, np.tile(last, (PADDING, 1))]))
        assert (result.success, result.done, result.steps) == (True, True, len(actions))
        assert result.observation is None, "an episode that has ended has no observation"

    def solved(self, environment: BatchedEnvironment) -> tuple[Start, FloatArray, Sequence[ChunkResult]]:
        """Find a start that can be solved, the actions up to the one that solves it, and the result of each.

        Skips the test if there is none.
        """
        for start in self.starts(environment, "demonstration"):
            actions = self.solve(environment, start)
            if actions is None:
                continue
            environment.reset_slots([0], [start])
            results: list[ChunkResult] = []
            for action in actions:
                results.append(self.step(environment, 0, action[None]))
                if results[-1].success:
                    return start, actions[: len(results)], results
                if results[-1].done:
                    break
        pytest.skip("no demonstration's actions solve its start when they are played again; define `solve`")
