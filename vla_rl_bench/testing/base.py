"""Base of the rules for environments: the environment under test, and ways of playing it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from vla_rl_bench.entries import EnvironmentEntry, load
from vla_rl_bench.interfaces import BatchedEnvironment, EnvironmentBase
from vla_rl_bench.rollout.worker import adapt_environment, build
from vla_rl_bench.testing.equality import Episode, copy_observation, copy_result
from vla_rl_bench.testing.remote import RemoteSlots, worker
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, Observation, Start

CHUNK = 4  # actions


def misspelled(methods: Iterable[str], optional: Sequence[str]) -> list[str]:
    """List methods with a name close to, but not, that of an optional method.

    Args:
        methods: Names of a class's public methods.
        optional: Names of the optional methods.

    Returns:
        A sentence per method.
    """
    matches = {name: difflib.get_close_matches(name, optional, n=1, cutoff=0.8) for name in sorted(methods)}
    return [f"{name}: did you mean `{close[0]}`?" for name, close in matches.items() if close and close[0] != name]


class EnvironmentRules:
    """Settings of the tests, and ways of playing an environment; subclass `EnvironmentContract`."""

    entry: ClassVar[EnvironmentEntry]  # as the plugin registers it
    suite: ClassVar[str]  # one of its task suites
    options: ClassVar[Any] = None  # an instance of `entry.options`; None: the defaults
    python: ClassVar[str | None] = None  # interpreter of the workers, in place of `entry.interpreter`
    slots: ClassVar[int] = 2  # episodes side by side in one process; 1 if the simulator allows only one
    expert: ClassVar[bool] = True  # False: the environment has no `demonstrate`
    tasks: ClassVar[Sequence[int] | None] = None  # tasks to play; None: all; choose a few if episodes take long
    steps: ClassVar[int | None] = None  # random episodes stop after these steps, except those that test the step limit
    changes: ClassVar[Mapping[str, Any]] = {}  # option -> another value, for every option that changes a number
    harmless: ClassVar[Sequence[str]] = ()  # options that change no number
    chunks_differ: ClassVar[str] = ""  # reason why a chunk differs from its single steps, such as a planner
    words: ClassVar[Sequence[str]] = ()  # conventions that `conventions.py` has no word for
    warm_resets: ClassVar[int] = 10  # resets before memory is measured
    resets: ClassVar[int] = 30  # resets over which memory is measured
    megabytes: ClassVar[float] = 15.0  # memory that these resets may take
    close_seconds: ClassVar[float] = 10.0  # time in which processes that a worker started must end after it

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls) -> Iterator[BatchedEnvironment]:
        """Slots as a rollout uses them: in this process, or in a worker under the interpreter that is needed."""
        environment = cls().make()
        yield environment
        environment.close()

    def make(self) -> BatchedEnvironment:
        """Make the environment with `slots` slots, in this process or in a worker."""
        options = self.chosen_options()
        if self.in_worker():
            return RemoteSlots(self.entry, self.suite, options, self.slots, self.python)
        return build(self.entry.make, self.suite, options, self.slots, self.entry.batched)

    def make_single(self) -> EnvironmentBase:
        """Make one environment of this interpreter, without slots."""
        return adapt_environment(load(self.entry.make)(self.suite, self.chosen_options(), 1))

    def in_worker(self) -> bool:
        """Return True if the environment needs another interpreter than the tests."""
        return self.python is not None or self.entry.interpreter is not None

    def chosen_options(self) -> Any:
        """Return the options to test with."""
        return self.entry.options() if self.options is None else self.options

    def contract_with(self, **changed: Any) -> EnvironmentSpec:
        """Return the environment's contract under changed options."""
        options = replace(self.chosen_options(), **changed)
        if self.in_worker():
            with worker(self.entry, self.suite, options, self.python) as slots:
                return slots.contract
        environment = build(self.entry.make, self.suite, options, 1, self.entry.batched)
        try:
            return environment.contract
        finally:
            environment.close()

    # -- playing

    def starts(self, environment: BatchedEnvironment, split: str = "training") -> list[Start]:
        """Return the split's first start of each task to play."""
        first = environment.contract.splits[split][0]
        return [Start(task, first) for task in self.played(environment)]

    def played(self, environment: BatchedEnvironment | EnvironmentBase) -> Sequence[int]:
        """Return the tasks to play."""
        return range(len(environment.contract.tasks)) if self.tasks is None else self.tasks

    def play(
        self, environment: BatchedEnvironment, slot: int, start: Start, chunk: int = CHUNK, *, whole: bool = False
    ) -> Episode:
        """Play an episode of random chunks, the same in every call.

        Args:
            environment: The slots.
            slot: Slot to play in.
            start: Initial state.
            chunk: Actions of a chunk.
            whole: Play to the end, also beyond `steps`.
        """
        rng = np.random.default_rng([start.task, start.index])
        observation = copy_observation(environment.reset_slots([slot], [start])[0])
        results: list[ChunkResult] = []
        while not results or not (results[-1].done or (self.enough(results) and not whole)):
            results.append(self.step(environment, slot, self.draw(environment, rng, chunk)))
        return observation, results

    def enough(self, results: Sequence[ChunkResult]) -> bool:
        """Return True if a random episode may stop: it has `steps` steps."""
        return self.steps is not None and sum(result.steps for result in results) >= self.steps

    def follow(self, environment: BatchedEnvironment, start: Start, chunks: Sequence[FloatArray]) -> Episode:
        """Play chunks of actions on slot 0, until the episode ends."""
        observation = copy_observation(environment.reset_slots([0], [start])[0])
        results: list[ChunkResult] = []
        for actions in chunks:
            results.append(self.step(environment, 0, actions))
            if results[-1].done:
                break
        return observation, results

    def step(self, environment: BatchedEnvironment, slot: int, actions: FloatArray) -> ChunkResult:
        """Execute a chunk, float32 ``[K, D]``, in one slot and copy its result."""
        return copy_result(environment.step_slots([slot], actions[None])[0])

    def draw(self, environment: BatchedEnvironment, rng: np.random.Generator, count: int) -> FloatArray:
        """Draw random actions, uniform within the bounds.

        Override it if such actions break the simulator, as they may with joint positions.

        Args:
            environment: The environment.
            rng: Generator to draw from.
            count: Number of actions.

        Returns:
            float32 ``[count, D]``.
        """
        action = environment.contract.action
        return rng.uniform(action.low, action.high, (count, action.dimensions)).astype(np.float32)

    def solve(self, environment: BatchedEnvironment, start: Start) -> FloatArray | None:
        """Find actions that solve a start, by default those of the expert's demonstration.

        Override it if there is no expert, or if its labels are not the actions that it executed (with noise added).

        Args:
            environment: The environment.
            start: Initial state.

        Returns:
            float32 ``[T, D]``; the last action solves the task.  None: the expert failed.
        """
        demonstration = self.demonstrate(environment, [start])[0]
        return None if demonstration is None else demonstration.actions

    def demonstrate(self, environment: BatchedEnvironment, starts: Sequence[Start]) -> list[Demonstration | None]:
        """Play the expert's episodes; skip the test if there is no expert."""
        if not self.expert:
            pytest.skip("no expert; `solve` may give actions that reach success")
        return environment.demonstrate_many(starts, 0)

    def check_observation(self, contract: EnvironmentSpec, observation: Observation) -> None:
        """Check an observation against the contract."""
        declared = {image.name: (image.height, image.width, 3) for image in contract.images}
        assert {name: image.shape for name, image in observation.images.items()} == declared
        assert {image.dtype for image in observation.images.values()} <= {np.dtype(np.uint8)}, "images are uint8"
        assert observation.proprio.shape == (len(contract.proprio),)
        assert observation.proprio.dtype == np.float32
        assert np.isfinite(observation.proprio).all()
