"""What the rules for environments share: the environment under test, and ways to play it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from vla_rl_bench.entries import EnvironmentEntry, load
from vla_rl_bench.interfaces import BatchedEnvironment, EnvironmentBase
from vla_rl_bench.rollout.worker import adapt_environment, build
from vla_rl_bench.testing.equality import Episode, kept, kept_result
from vla_rl_bench.testing.remote import RemoteSlots, worker
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, Observation, Start

CHUNK = 4  # actions


def misspelled(cls: type, optional: Sequence[str]) -> list[str]:
    """List a class's public methods with a name close to, but not, that of an optional method.

    Args:
        cls: The class under test; what torch and `vla_rl_bench.interfaces` define is left out.
        optional: Names of the optional methods.

    Returns:
        A sentence per method.
    """
    methods = {
        name
        for ancestor in cls.__mro__
        if not ancestor.__module__.startswith(("builtins", "torch.", "vla_rl_bench.interfaces"))
        for name, attribute in vars(ancestor).items()
        if not name.startswith("_") and callable(attribute) and name not in optional
    }
    matches = {name: difflib.get_close_matches(name, optional, n=1, cutoff=0.8) for name in sorted(methods)}
    return [f"{cls.__name__}.{name}: did you mean `{close[0]}`?" for name, close in matches.items() if close]


class EnvironmentRules:
    """Subclass `EnvironmentContract`, and say what is tested by these class attributes.

    entry: the record that the plugin registers.  suite: one of its task suites.  options: None, or those to test with,
    an instance of ``entry.options``.  python: another interpreter for workers, in place of ``entry.interpreter``.
    slots: episodes at the same time in one process; 1 where the simulator bears no second one.
    expert: False where the environment has no `demonstrate`.
    tasks: those that are played; None: all.  Choose a few where an episode takes long.
    steps: random episodes are cut short after so many, but for the one that must reach its limit; None: they are not.
    changes: option -> another value, for every option that changes a number: each must change `protocol`.
    chunks_differ: why a chunk is not what its single steps would be, where a planner smooths through it.
    harmless: options that change no number.  words: conventions of your own beside those of `conventions.py`.
    resets, megabytes: so many resets may make the worker's memory grow by so much, after as many as `warm_resets`.
    close_seconds: so long what the worker began may take to end after it.
    """

    entry: ClassVar[EnvironmentEntry]
    suite: ClassVar[str]
    options: ClassVar[Any] = None
    python: ClassVar[str | None] = None
    slots: ClassVar[int] = 2
    expert: ClassVar[bool] = True
    tasks: ClassVar[Sequence[int] | None] = None
    steps: ClassVar[int | None] = None
    changes: ClassVar[Mapping[str, Any]] = {}
    chunks_differ: ClassVar[str] = ""
    harmless: ClassVar[Sequence[str]] = ()
    words: ClassVar[Sequence[str]] = ()
    resets: ClassVar[int] = 30
    warm_resets: ClassVar[int] = 10
    megabytes: ClassVar[float] = 15.0
    close_seconds: ClassVar[float] = 10.0

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls) -> Iterator[BatchedEnvironment]:
        """The slots that a rollout uses: in this process, or in a worker under the interpreter that it needs."""
        made = cls().make()
        yield made
        made.close()

    def make(self) -> BatchedEnvironment:
        chosen = self.chosen_options()
        if self.elsewhere():
            return RemoteSlots(self.entry, self.suite, chosen, self.slots, self.python)
        return build(self.entry.make, self.suite, chosen, self.slots, self.entry.batched)

    def make_single(self) -> EnvironmentBase:
        """Make one environment of this interpreter, without slots."""
        return adapt_environment(load(self.entry.make)(self.suite, self.chosen_options(), 1))

    def elsewhere(self) -> bool:
        """Whether the environment needs another interpreter than the tests'."""
        return self.python is not None or self.entry.interpreter is not None

    def chosen_options(self) -> Any:
        return self.entry.options() if self.options is None else self.options

    def contract_with(self, **changed: Any) -> EnvironmentSpec:
        """What the environment declares under other options."""
        options = replace(self.chosen_options(), **changed)
        if self.elsewhere():
            with worker(self.entry, self.suite, options, self.python) as there:
                return there.contract
        made = build(self.entry.make, self.suite, options, 1, self.entry.batched)
        try:
            return made.contract
        finally:
            made.close()

    # -- playing

    def starts(self, environment: BatchedEnvironment, split: str = "training") -> list[Start]:
        """The split's first start of each task that is played."""
        first = environment.contract.splits[split][0]
        return [Start(task, first) for task in self.played(environment)]

    def played(self, environment: BatchedEnvironment | EnvironmentBase) -> Sequence[int]:
        return range(len(environment.contract.tasks)) if self.tasks is None else self.tasks

    def play(
        self, environment: BatchedEnvironment, slot: int, start: Start, chunk: int = CHUNK, *, whole: bool = False
    ) -> Episode:
        """An episode of random chunks, the same each time.  whole: to its end, whatever `steps` says."""
        draw = np.random.default_rng([start.task, start.index])
        observation = kept(environment.reset_slots([slot], [start])[0])
        results: list[ChunkResult] = []
        while not results or not (results[-1].done or (self.enough(results) and not whole)):
            results.append(self.step(environment, slot, self.draw(environment, draw, chunk)))
        return observation, results

    def enough(self, results: Sequence[ChunkResult]) -> bool:
        return self.steps is not None and sum(one.steps for one in results) >= self.steps

    def follow(self, environment: BatchedEnvironment, start: Start, chunks: Sequence[FloatArray]) -> Episode:
        """An episode of given chunks on slot 0, as far as it goes."""
        observation = kept(environment.reset_slots([0], [start])[0])
        results: list[ChunkResult] = []
        for actions in chunks:
            results.append(self.step(environment, 0, actions))
            if results[-1].done:
                break
        return observation, results

    def step(self, environment: BatchedEnvironment, slot: int, actions: FloatArray) -> ChunkResult:
        return kept_result(environment.step_slots([slot], actions[None])[0])

    def draw(self, environment: BatchedEnvironment, draw: np.random.Generator, count: int) -> FloatArray:
        """float32 ``[count, D]``, uniform within the bounds.

        Define it anew where such actions break the simulator, as they may with joint positions."""
        action = environment.contract.action
        return draw.uniform(action.low, action.high, (count, action.dimensions)).astype(np.float32)

    def solve(self, environment: BatchedEnvironment, start: Start) -> FloatArray | None:
        """Actions ``[T, D]`` that solve the start, the last of them being the one that does; None: the expert failed.

        Define it anew where there is no expert, or where its labels are not what it executed (with noise added)."""
        shown = self.demonstrate(environment, [start])[0]
        return None if shown is None else shown.actions

    def demonstrate(self, environment: BatchedEnvironment, starts: Sequence[Start]) -> list[Demonstration | None]:
        if not self.expert:
            pytest.skip("no expert; `solve` may give actions that reach success")
        return environment.demonstrate_many(starts, 0)

    def check_observation(self, contract: EnvironmentSpec, observation: Observation) -> None:
        """One observation against what is declared."""
        declared = {image.name: (image.height, image.width, 3) for image in contract.images}
        assert {name: image.shape for name, image in observation.images.items()} == declared
        assert {image.dtype for image in observation.images.values()} <= {np.dtype(np.uint8)}, "images are uint8"
        assert observation.proprio.shape == (len(contract.proprio),)
        assert observation.proprio.dtype == np.float32
        assert np.isfinite(observation.proprio).all()
