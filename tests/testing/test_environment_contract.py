"""The embedded environment keeps the contract that plugins are held to, and the contract finds those that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vla_rl_bench.builtin.tabletop.environment import Tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tabletop.suites import SUITES
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.slots import SlotEnvironments
from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench.types import (
    ActionSpec,
    EnvironmentSpec,
    FloatArray,
    ImageSpec,
    Observation,
    Start,
    TaskSpec,
)


@pytest.mark.parametrize("suite", SUITES)
class TestTabletop(EnvironmentContract):
    @pytest.fixture
    def environment(self, suite: str) -> BatchedEnvironment:
        return Tabletop(suite, TabletopOptions(), slots=2)


class Counter:
    """An environment that keeps the contract; its parts are broken one by one below."""

    limit = 5
    held_out = (20, 30)

    def __init__(self) -> None:
        self.contract = EnvironmentSpec(
            name="counter",
            suite="one",
            protocol="counter-1",
            tasks=(TaskSpec("count", "count", step_limit=5),),
            images=(ImageSpec("top", 8, 8),),
            proprio=("count",),
            action=ActionSpec(("up",), (-1.0,), (1.0,), (0.0,)),
            splits={"demonstration": (0, 10), "training": (10, 20), "held-out": self.held_out},
        )
        self.episodes = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        self.start: Start = (options or {})["start"]
        self.count, self.steps, self.episodes = float(self.first()), 0, self.episodes + 1
        return self.observe(), {}

    def first(self) -> int:
        return self.start.index

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict]:
        self.count, self.steps = self.count + float(action[0]), self.steps + 1
        return self.observe(), 0.0, False, self.steps >= self.limit, {}

    def observe(self) -> Observation:
        return Observation({"top": np.zeros((8, 8, 3), np.uint8)}, np.array([self.count], np.float32))

    def demonstrate(self, start: Start, seed: int) -> None:
        """The expert always fails."""

    def close(self) -> None:
        """Nothing is held."""


class TestCounter(EnvironmentContract):
    def make(self) -> Counter:
        return Counter()


class Overlapping(Counter):
    held_out = (19, 30)


class Drifting(Counter):
    def first(self) -> int:
        return self.episodes


class Endless(Counter):
    limit = 8


class WrongType(Counter):
    def observe(self) -> Observation:
        found = super().observe()
        return Observation(found.images, found.proprio.astype(np.float64))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Overlapping, "test_held_out_starts_are_not_trained_on"),
        (Drifting, "test_a_start_says_everything"),
        (Endless, "test_episodes_end_at_the_step_limit_at_the_latest"),
        (WrongType, "test_observations_are_what_the_contract_says"),
    ],
)
def test_what_breaks_the_contract_is_found(broken: type[Counter], test: str) -> None:
    getattr(TestCounter(), test)(SlotEnvironments(Counter, 2))
    with pytest.raises(AssertionError):
        getattr(TestCounter(), test)(SlotEnvironments(broken, 2))
