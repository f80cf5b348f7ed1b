"""An environment that keeps the contract, and many that break it in one way each; a worker process imports this."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker, shared_memory
from typing import Any, ClassVar

import numpy as np

from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import (
    ActionSpec,
    ChunkResult,
    Demonstration,
    EnvironmentSpec,
    FloatArray,
    ImageArray,
    ImageSpec,
    Observation,
    Start,
    TaskSpec,
)

Step = tuple[Observation, float, bool, bool, dict[str, Any]]
LIMIT = 7  # steps


@dataclass(frozen=True)
class CounterOptions:
    """goal: how far up from the start is success.  tint: of the picture.  color: of the film."""

    goal: float = 3.0
    tint: int = 0
    color: int = 9


class Counter(EnvironmentBase):
    """Counts up from the start's index by the action's one number; solved when `goal` higher than it began."""

    spec: ClassVar[dict[str, Any]] = {}  # what a broken one declares instead

    def __init__(self, suite: str, options: CounterOptions) -> None:
        self.options, self.episodes = options, 0
        self.seconds: dict[str, float] = {"stepping": 0.0, "rendering": 0.0, "reset": 0.0}
        declared = EnvironmentSpec(
            name="counter",
            suite=suite,
            protocol=self.protocol(),
            tasks=(TaskSpec("count", "count up", LIMIT),),
            images=(ImageSpec("top", 8, 8),),
            proprio=("count", "begun at"),
            action=ActionSpec(("up",), (-1.0,), (1.0,), (0.0,)),
            splits={"demonstration": (0, 10), "training": (10, 20), "held-out": (20, 30)},
        )
        self.contract = replace(declared, **self.spec)

    def protocol(self) -> str:
        return f"counter-1/goal-{self.options.goal:g}/tint-{self.options.tint}"

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        self.start: Start = (options or {})["start"]
        self.episodes += 1
        self.begun = self.first()
        self.count, self.steps = self.begun, 0
        self.seconds["reset"] += 1e-6
        return self.observe(), {}

    def first(self) -> float:
        return float(self.start.index)

    def step(self, action: FloatArray) -> Step:
        self.count += float(action[0])
        self.steps += 1
        self.seconds["stepping"] += 1e-6
        solved = self.count - self.begun >= self.options.goal
        info = {"events": ("down",)} if action[0] < 0 else {}
        return self.observe(), float(solved), solved, self.steps >= LIMIT and not solved, info

    def observe(self) -> Observation:
        shade = int(10 * self.count + self.options.tint) % 256
        return Observation({"top": np.full((8, 8, 3), shade, np.uint8)}, np.array([self.count, self.begun], np.float32))

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        observation, _ = self.reset(options={"start": start})
        seen, actions, solved = [], [], False
        while not solved:
            seen.append(observation)
            actions.append(np.ones(1, np.float32))
            observation, _, solved, _, _ = self.step(actions[-1])
        return Demonstration(start, Observation.stack(seen), np.stack(actions))

    def film(self) -> ImageArray:
        return np.full((4, 6, 3), self.options.color, np.uint8)

    def close(self) -> None:
        """Nothing is held."""


def make(suite: str, options: CounterOptions, slots: int) -> Counter:
    """The suite's name is the class's."""
    found: type[Counter] = globals()[suite]
    return found(suite, options)


ENTRY = EnvironmentEntry(
    name="counter", summary="counts", make="tests.testing.counting:make", suites=("Counter",), options=CounterOptions
)


# -- what is declared


class Overlapping(Counter):
    spec: ClassVar = {"splits": {"demonstration": (0, 10), "training": (10, 21), "held-out": (20, 30)}}


class Shown(Counter):
    """What is evaluated was demonstrated."""

    spec: ClassVar = {"splits": {"demonstration": (0, 21), "training": (10, 20), "held-out": (20, 30)}}


class Unheld(Counter):
    spec: ClassVar = {"splits": {"demonstration": (0, 10), "training": (10, 20)}}


class Idle(Counter):
    spec: ClassVar = {"tasks": ()}


class Wordless(Counter):
    spec: ClassVar = {"tasks": (TaskSpec("count", "", LIMIT),)}


class Doubled(Counter):
    spec: ClassVar = {"images": (ImageSpec("top", 8, 8), ImageSpec("top", 8, 8))}


class Blind(Counter):
    spec: ClassVar = {"images": ()}


class Restless(Counter):
    """Holding still is out of bounds."""

    spec: ClassVar = {"action": ActionSpec(("up",), (0.5,), (1.0,), (0.0,))}


class Nowhere(Counter):
    spec: ClassVar = {"suite": "elsewhere"}


class SlangGripper(Counter):
    spec: ClassVar = {"action": ActionSpec(("up",), (-1.0,), (1.0,), (0.0,), gripper="the usual")}


class SlangRotation(Counter):
    spec: ClassVar = {"action": ActionSpec(("up",), (-1.0,), (1.0,), (0.0,), rotation="the usual")}


class SlangCamera(Counter):
    spec: ClassVar = {"images": (ImageSpec("top", 8, 8, "the usual"),)}


class Unversioned(Counter):
    spec: ClassVar = {"protocol": ""}


class Forgetful(Counter):
    def protocol(self) -> str:
        return f"counter-1/goal-{self.options.goal:g}"


class Talkative(Counter):
    """Its protocol is another one each time."""

    def protocol(self) -> str:
        return f"{super().protocol()}/{id(self)}"


class Misspelled(Counter):
    def step_chunks(self, actions: FloatArray) -> ChunkResult:
        return self.step_chunk(actions)


# -- episodes


class Uninformative(Counter):
    """Its `reset` gives no dictionary beside the observation."""

    def reset(self, **arguments: Any) -> tuple[Observation, dict]:
        return super().reset(**arguments)[0], None  # type: ignore[return-value]


class Drifting(Counter):
    def first(self) -> float:
        return float(self.episodes)


class Sharing(Counter):
    """All slots of a process count together."""

    together: ClassVar[dict[str, float]] = {}

    def reset(self, **arguments: Any) -> tuple[Observation, dict]:
        found = super().reset(**arguments)
        self.together["count"] = self.count
        return found

    def step(self, action: FloatArray) -> Step:
        self.count = self.together["count"]
        found = super().step(action)
        self.together["count"] = self.count
        return found


class Monotonous(Counter):
    def first(self) -> float:
        return float(self.start.task)


class Lasting(Counter):
    """Eight steps, where seven are declared."""

    def step(self, action: FloatArray) -> Step:
        seen, reward, solved, _, info = super().step(action)
        return seen, reward, solved, self.steps > LIMIT, info


class Hasty(Counter):
    def step(self, action: FloatArray) -> Step:
        seen, reward, solved, late, info = super().step(action)
        return seen, reward, solved, late or (self.steps >= LIMIT - 1 and not solved), info


class Overrunning(Counter):
    """A chunk is executed whole, past the step limit."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        for action in actions:
            observation, _, solved, _, _ = self.step(action)
        done = solved or self.steps >= LIMIT
        return ChunkResult(None if done else observation, len(actions), solved, done)


class Wistful(Counter):
    """Goes on showing what was, after the end."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        return replace(super().step_chunk(actions), observation=self.observe())


class DoublePrecision(Counter):
    def observe(self) -> Observation:
        found = super().observe()
        return Observation(found.images, found.proprio.astype(np.float64))  # type: ignore[arg-type]


class Unfinite(Counter):
    def observe(self) -> Observation:
        found = super().observe()
        return Observation(found.images, found.proprio * np.float32(np.nan if self.steps == CHUNKED else 1))


class Curt(Counter):
    def observe(self) -> Observation:
        return Observation(super().observe().images, np.zeros(1, np.float32))


class Shrinking(Counter):
    """Another size than declared, once under way."""

    def observe(self) -> Observation:
        found = super().observe()
        return Observation({"top": found.images["top"][: 7 if self.steps else 8]}, found.proprio)


class Floating(Counter):
    def observe(self) -> Observation:
        found = super().observe()
        return Observation({"top": found.images["top"] / np.float32(255)}, found.proprio)


class Generous(Counter):
    """A camera that is not declared."""

    def observe(self) -> Observation:
        found = super().observe()
        return Observation({**found.images, "wrist": found.images["top"]}, found.proprio)


class Lagging(Counter):
    """A chunk shows what was seen before its last action."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        before = super().step_chunk(actions[:-1]) if len(actions) > 1 else None
        last = super().step_chunk(actions[-1:]) if before is None or not before.done else None
        if before is None or last is None:
            return before or last  # type: ignore[return-value]
        seen = None if last.done else before.observation
        return ChunkResult(seen, before.steps + last.steps, last.success, last.done, before.events + last.events)


class Secretive(Counter):
    """A chunk keeps its events to itself."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        return replace(super().step_chunk(actions), events=())


class Faint(Counter):
    def film(self) -> ImageArray:
        return super().film() / np.float32(255)  # type: ignore[return-value]


class Zooming(Counter):
    def film(self) -> ImageArray:
        return np.zeros((4 + self.steps, 6, 3), np.uint8)


class Posing(Counter):
    """Moves when it is filmed."""

    def film(self) -> ImageArray:
        self.count += 1
        return super().film()


class Rewound(Counter):
    """Its clock begins anew with every episode."""

    def step(self, action: FloatArray) -> Step:
        found = super().step(action)
        self.seconds["reset"] = 0.0
        return found


class Mislabelled(Counter):
    def __init__(self, suite: str, options: CounterOptions) -> None:
        super().__init__(suite, options)
        self.seconds["physics"] = 0.0


# -- experts and success


class Moody(Counter):
    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        found = super().demonstrate(start, seed)
        assert found is not None
        return replace(found, actions=found.actions * np.float32(0.9 + 0.01 * self.episodes))


class Reluctant(Counter):
    """Its expert fails every other time."""

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        return super().demonstrate(start, seed) if self.episodes % 2 else self.reset(options={"start": start}) and None


class Straining(Counter):
    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        found = super().demonstrate(start, seed)
        assert found is not None
        return replace(found, actions=2 * found.actions)


class Late(Counter):
    """Shows what was seen after the action."""

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        found = super().demonstrate(start, seed)
        assert found is not None
        return replace(found, observations=found.observations[np.arange(len(found.actions)).clip(1)])


class Uneven(Counter):
    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        found = super().demonstrate(start, seed)
        assert found is not None
        return replace(found, actions=found.actions[:-1])


class Tireless(Counter):
    """Goes on after success, to the end of the chunk."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        solved = False
        for action in actions:
            observation, _, now, late, _ = self.step(action)
            solved = solved or now
        return ChunkResult(None if solved or late else observation, len(actions), solved, solved or late)


class Modest(Counter):
    """Solved, and not done."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        found = super().step_chunk(actions)
        return replace(found, done=False) if found.success else found


# -- processes


class Local(Counter):
    def first(self) -> float:
        return float(self.start.index + os.getpid() % 97 / 97)


class Salted(Counter):
    """Python salts the hashes of texts anew in every process."""

    def first(self) -> float:
        return float(self.start.index) + hash("counter") % 1000 / 1000


class Leaking(Counter):
    def __init__(self, suite: str, options: CounterOptions) -> None:
        super().__init__(suite, options)
        self.kept: list[Any] = []

    def first(self) -> float:
        self.kept.append(np.ones(2**17))  # 1 MB
        return super().first()


class Abandoning(Counter):
    """Begins a process that nobody ends."""

    def __init__(self, suite: str, options: CounterOptions) -> None:
        super().__init__(suite, options)
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Littering(Counter):
    """Memory with a name, which nobody unlinks."""

    def __init__(self, suite: str, options: CounterOptions) -> None:
        super().__init__(suite, options)
        self.memory = shared_memory.SharedMemory(create=True, size=4096)
        resource_tracker.unregister(self.memory._name, "shared_memory")  # type: ignore[attr-defined]

    def close(self) -> None:
        self.memory.close()


class Unforgiving(Counter):
    closed = False

    def close(self) -> None:
        assert not self.closed, "closed already"
        self.closed = True


CHUNKED = 4  # steps, after which `Unfinite` shows nonsense
