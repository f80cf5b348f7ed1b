"""Plain environments as slots: what a pool drives, whatever the simulator is.  Standard library and NumPy only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import Environment
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, ImageArray, Observation, Start


def step_chunk(environment: Environment, actions: FloatArray) -> ChunkResult:
    """K single steps of a gymnasium environment as one chunk.  actions: float32 ``[K, D]``."""
    events: list[str] = []
    for taken, action in enumerate(actions, start=1):
        observation, _, terminated, truncated, info = environment.step(action)
        events.extend(info.get("events", ()))
        if terminated or truncated:
            return ChunkResult(None, taken, bool(terminated), True, tuple(events))
    return ChunkResult(observation, len(actions), False, False, tuple(events))


class SlotEnvironments:
    """A `BatchedEnvironment` made of one plain environment a slot, each built when its slot is first used."""

    def __init__(self, build: Callable[[], Environment], slots: int) -> None:
        self._build = build
        self._first = build()
        self._environments: dict[int, Environment] = {0: self._first}
        self._own_seconds: dict[str, float] = {}
        self._seen: dict[int, Observation] = {}  # the last observation of each slot, for films
        self.slots = slots
        self.contract: EnvironmentSpec = self._first.contract

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by activity, summed over the slots; environments without a clock of their own are timed here."""
        total = dict(self._own_seconds)
        for environment in self._environments.values():
            for name, value in getattr(environment, "seconds", {}).items():
                total[name] = total.get(name, 0.0) + value
        return total

    def _at(self, slot: int) -> Environment:
        if slot not in self._environments:
            self._environments[slot] = self._build()
        return self._environments[slot]

    def _timed(self, environment: Environment, activity: str, started: float) -> None:
        if not hasattr(environment, "seconds"):
            self._own_seconds[activity] = self._own_seconds.get(activity, 0.0) + time.perf_counter() - started

    def reset_slots(self, slots: Sequence[int], starts: Sequence[Start]) -> Observation:
        observations = []
        for slot, start in zip(slots, starts, strict=True):
            environment, started = self._at(slot), time.perf_counter()
            observations.append(environment.reset(options={"start": start})[0])
            self._timed(environment, "reset", started)
            self._seen[slot] = observations[-1]
        return Observation.stack(observations)

    def step_slots(self, slots: Sequence[int], actions: FloatArray) -> list[ChunkResult]:
        results = []
        for slot, chunk in zip(slots, actions, strict=True):
            environment, started = self._at(slot), time.perf_counter()
            own = getattr(environment, "step_chunk", None)
            results.append(own(chunk) if own else step_chunk(environment, chunk))
            self._timed(environment, "stepping", started)
            self._seen[slot] = results[-1].observation or self._seen[slot]
        return results

    def demonstrate_many(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        demonstrate = getattr(self._first, "demonstrate", None)
        if demonstrate is None:
            raise UserError(
                f"environment `{self.contract.name}` has no expert: it defines no `demonstrate`, and an arm of the "
                "suite asks for `demonstrations`. Leave them out, or add `demonstrate` to the environment."
            )
        return [demonstrate(start, seed) for start in starts]

    def film_slot(self, slot: int) -> ImageArray:
        environment = self._at(slot)
        film = getattr(environment, "film", None)
        if film is None:
            return next(iter(self._seen[slot].images.values()))
        return film()  # type: ignore[no-any-return]

    def close(self) -> None:
        for environment in self._environments.values():
            environment.close()
