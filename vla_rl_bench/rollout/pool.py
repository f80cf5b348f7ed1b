"""Pools: many slots of one environment, in this process or in worker processes, behind one interface.

`reset` and `step` send a request; `wait` returns the slots that have answered.  A slot has at most one open request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_connections
from operator import itemgetter
from typing import Any, Protocol, TypeVar

import numpy as np

from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout import interpreters
from vla_rl_bench.rollout.timing import TRAINER, ActivityTimer, SpanRecorder
from vla_rl_bench.rollout.worker import build
from vla_rl_bench.rollout.worker_process import RemoteWorker
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, ImageArray, Observation, Start

ACTIVITIES = ("stepping", "rendering", "reset")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SlotResult:
    """A slot's answer.  The next request to the slot may overwrite the observation's images."""

    slot: int
    observation: Observation | None  # None if the episode has ended
    result: ChunkResult | None  # None after a reset


class Pool(Protocol):
    """Slots of one environment; each slot plays one episode at a time."""

    slots: int  # episodes side by side
    workers: int  # processes; 1 in process
    in_process: bool  # the environment runs in this process
    contract: EnvironmentSpec
    # How many ready observations may share a policy forward; None: all that are ready, which in process never depends
    # on timing.
    forward_rows: int | None
    deterministic: bool  # no number may depend on timing: every forward is padded to exactly `forward_rows` rows
    tasks_by_slot: Sequence[set[int]]  # tasks that each slot has played; empty sets in process, where it saves nothing
    clock: SpanRecorder  # records the spans of the pool and its workers; off unless set

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds by activity so far, summed over workers, and CPU seconds under ``cpu:<activity>``.

        ``transfer`` is the time that this process spends on messages.
        """
        ...

    def reset(self, slot: int, start: Start) -> None: ...

    def step(self, slot: int, actions: FloatArray) -> None: ...

    def wait(self) -> list[SlotResult]: ...

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]: ...

    def film(self, slot: int) -> ImageArray: ...

    def close(self) -> None: ...


class InProcessPool:
    """All slots in this process; each `wait` serves every open request in two batched calls."""

    workers = 1
    in_process = True

    def __init__(self, environment: BatchedEnvironment, *, deterministic: bool = True) -> None:
        self._environment = environment
        self._timer = ActivityTimer(environment)
        self._resets: dict[int, Start] = {}
        self._steps: dict[int, FloatArray] = {}
        self.slots = environment.slots
        self.contract = environment.contract
        self.forward_rows: int | None = None
        self.deterministic = deterministic
        self.tasks_by_slot: Sequence[set[int]] = [set() for _ in range(environment.slots)]
        self.clock = SpanRecorder(on=False)

    @property
    def seconds(self) -> dict[str, float]:
        return self._timer.seconds

    def _call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        result, spans = self._timer.call(function, *arguments)
        for span in spans:
            self.clock.add(TRAINER, *span)
        return result

    def reset(self, slot: int, start: Start) -> None:
        self._resets[slot] = start

    def step(self, slot: int, actions: FloatArray) -> None:
        self._steps[slot] = actions

    def wait(self) -> list[SlotResult]:
        results: list[SlotResult] = []
        if self._steps:
            slots = list(self._steps)
            chunks = self._call(self._environment.step_slots, slots, np.stack(list(self._steps.values())))
            results += [SlotResult(slot, chunk.observation, chunk) for slot, chunk in zip(slots, chunks, strict=True)]
        if self._resets:
            slots = list(self._resets)
            observations = self._call(self._environment.reset_slots, slots, list(self._resets.values()))
            results += [SlotResult(slot, observations[row], None) for row, slot in enumerate(slots)]
        self._steps, self._resets = {}, {}
        return results

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        return self._call(self._environment.demonstrate_many, starts, seed)

    def film(self, slot: int) -> ImageArray:
        return self._environment.film_slot(slot)

    def close(self) -> None:
        self._environment.close()


class ProcessPool:
    """Worker processes with several slots each; one message per chunk each way, images through shared memory.

    Slot s is slot s // workers of worker s % workers.  A worker serves the requests of its slots in their order: while
    it steps one slot, the policy may answer another.
    """

    in_process = False

    def __init__(
        self,
        entry: EnvironmentEntry,
        suite: str,
        options: Any,
        workers: int,
        python: str | None = None,
        *,
        environments: int = 1,
        forward_rows: int = 1,
        deterministic: bool = True,
        share: bool = True,
    ) -> None:
        """Start the workers.

        Args:
            environments: Slots per worker.
            share: False sends images in the messages instead of shared memory.
        """
        self._workers: list[RemoteWorker] = []
        self._transfer_seconds: dict[str, float] = {}
        self.clock = SpanRecorder(on=False)
        self.workers, self.slots = workers, workers * environments
        self.forward_rows: int | None = forward_rows if deterministic else self.slots
        self.deterministic = deterministic
        self.tasks_by_slot: Sequence[set[int]] = [set() for _ in range(self.slots)]
        message = (entry.make, suite, options, environments, entry.batched)
        python = python or interpreters.worker_python(entry)
        try:
            for _ in range(workers):
                self._workers.append(RemoteWorker(python, message, share=share))
            # wait for all, so that each has started
            contracts = [worker.wait_until_built(environments) for worker in self._workers]
            self.contract: EnvironmentSpec = contracts[0]
        except BaseException:
            self.close()
            raise

    @property
    def seconds(self) -> dict[str, float]:
        total = dict(self._transfer_seconds)
        for worker in self._workers:
            for name, value in worker.seconds.items():
                total[name] = total.get(name, 0.0) + value
        return total

    @contextmanager
    def _transfer(self) -> Iterator[None]:
        """Count the time of the body as transfer."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        ended = time.perf_counter()
        self.clock.add(TRAINER, "transfer", wall, ended)
        for name, spent in (("transfer", ended - wall), ("cpu:transfer", time.process_time() - cpu)):
            self._transfer_seconds[name] = self._transfer_seconds.get(name, 0.0) + spent

    def _request(self, slot: int, name: str, argument: Any) -> None:
        with self._transfer():
            self._workers[slot % self.workers].request(name, slot // self.workers, argument)

    def reset(self, slot: int, start: Start) -> None:
        self.tasks_by_slot[slot].add(start.task)
        self._request(slot, "reset", start)

    def step(self, slot: int, actions: FloatArray) -> None:
        self._request(slot, "step", actions)

    def _replies(self) -> list[tuple[int, Any]]:
        """Block until a worker has replied; return (slot, value) of every reply that has arrived, in slot order."""
        busy = {worker.connection: index for index, worker in enumerate(self._workers) if worker.open_requests}
        values = []
        for connection in wait_for_connections(list(busy)):
            index = busy[connection]  # type: ignore[index]
            worker = self._workers[index]
            with self._transfer():
                replies = worker.receive_all()
            for reply in replies:
                for span in reply.spans:
                    self.clock.add(1 + index, *span)
                values.append((reply.slot * self.workers + index, reply.value))
        return sorted(values, key=itemgetter(0))

    def wait(self) -> list[SlotResult]:
        return [
            SlotResult(slot, value.observation, value)
            if isinstance(value, ChunkResult)
            else SlotResult(slot, value, None)
            for slot, value in self._replies()
        ]

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        demonstrations: list[Demonstration | None] = [None] * len(starts)
        todo = list(range(len(starts)))
        idle = list(range(self.workers))  # one slot per worker: an expert's episode keeps its worker busy
        start_of_slot: dict[int, int] = {}
        while todo or start_of_slot:
            while todo and idle:
                position, slot = best_pair([starts[index].task for index in todo], idle, self.tasks_by_slot)
                idle.remove(slot)
                start_of_slot[slot] = index = todo.pop(position)
                self.tasks_by_slot[slot].add(starts[index].task)
                self._request(slot, "demonstrate", (starts[index], seed))
            for slot, demonstration in self._replies():
                demonstrations[start_of_slot.pop(slot)] = demonstration
                idle.append(slot)
        return demonstrations

    def film(self, slot: int) -> ImageArray:
        self._request(slot, "film", None)
        return self._replies()[0][1]  # type: ignore[no-any-return]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._workers = []


def open_pool(
    entry: EnvironmentEntry,
    suite: str,
    options: Any,
    *,
    slots: int,
    workers: int,
    environments: int = 1,
    forward_rows: int = 1,
    deterministic: bool = True,
    python: str | None = None,
) -> Pool:
    """Open a pool: in this process for batched environments, else over worker processes.

    Args:
        slots: Episodes side by side, for batched environments.
        workers: Processes; 0 runs a plain environment in this process, for debugging.
        environments: Slots per worker.
        python: The workers' interpreter; None: the one that the environment names, else this one.
    """
    if entry.batched or (workers == 0 and python is None and entry.interpreter is None):
        size = slots if entry.batched else environments
        return InProcessPool(build(entry.make, suite, options, size, entry.batched), deterministic=deterministic)
    return ProcessPool(
        entry,
        suite,
        options,
        max(workers, 1),
        python,
        environments=environments,
        forward_rows=forward_rows,
        deterministic=deterministic,
    )


def best_pair(tasks: Sequence[int], slots: Sequence[int], tasks_by_slot: Sequence[set[int]]) -> tuple[int, int]:
    """Choose which waiting episode goes to which free slot, preferring a slot that has played the task already.

    A simulator is built when a task first comes to a slot (4 s and 1 GB each in LIBERO) and kept as long as the worker.

    Args:
        tasks: Tasks of the waiting episodes, in order.
        slots: Free slots.
        tasks_by_slot: Tasks that each slot has played.

    Returns:
        (index in `tasks`, slot): a task that the slot has played, else a task that no slot has played, else any.  Ties
        go to the episode that waits longest, then to the slot that has played the fewest tasks.
    """
    played = set().union(*tasks_by_slot)

    def rank(pair: tuple[int, int]) -> tuple[int, int, int]:
        index, slot = pair
        cost = 0 if tasks[index] in tasks_by_slot[slot] else 2 if tasks[index] in played else 1
        return cost, index, len(tasks_by_slot[slot])

    return min(((index, slot) for index in range(len(tasks)) for slot in slots), key=rank)
