"""Pools: many slots of one environment, in this process or in others, behind one interface.

`reset` and `step` only ask; `wait` answers with the slots that are ready.  A slot has at most one question open.
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
from vla_rl_bench.rollout.routing import best_pair
from vla_rl_bench.rollout.timing import TRAINER, ActivityTimer, SpanRecorder
from vla_rl_bench.rollout.worker import build
from vla_rl_bench.rollout.worker_process import RemoteWorker
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, ImageArray, Observation, Start

ACTIVITIES = ("stepping", "rendering", "reset")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SlotResult:
    """A slot's answer.  result: None after a reset; observation: None when the episode has ended.

    The observation's images may be overwritten as soon as the slot is asked for something else.
    """

    slot: int
    observation: Observation | None
    result: ChunkResult | None


class Pool(Protocol):
    """slots: episodes side by side.  workers: processes (1 in-process).

    seconds: wall seconds by activity so far, summed over workers, and CPU seconds under ``cpu:<activity>``; `transfer`
    is this process's own, for messages.  clock: where the pool puts what it and its workers do; off unless set.
    forward_rows: how many ready observations may share a policy forward; None: all that are ready, which in process
    never depends on timing.  deterministic: no number may depend on timing either, so that a forward in `forward_rows`
    is padded to exactly so many.  held: by slot, the tasks that came to it; None where that makes no difference.
    """

    slots: int
    workers: int
    contract: EnvironmentSpec
    forward_rows: int | None
    deterministic: bool
    held: Sequence[set[int]] | None
    clock: SpanRecorder

    @property
    def seconds(self) -> dict[str, float]: ...

    def reset(self, slot: int, start: Start) -> None: ...

    def step(self, slot: int, actions: FloatArray) -> None: ...

    def wait(self) -> list[SlotResult]: ...

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]: ...

    def film(self, slot: int) -> ImageArray: ...

    def close(self) -> None: ...


class InProcessPool:
    """All slots in this process; each `wait` serves every open question in two batched calls."""

    workers = 1

    def __init__(self, environment: BatchedEnvironment, *, deterministic: bool = True) -> None:
        self._environment = environment
        self._meter = ActivityTimer(environment)
        self._resets: dict[int, Start] = {}
        self._steps: dict[int, FloatArray] = {}
        self.slots = environment.slots
        self.contract = environment.contract
        self.forward_rows: int | None = None
        self.deterministic = deterministic
        self.held: Sequence[set[int]] | None = None
        self.clock = SpanRecorder(on=False)

    @property
    def seconds(self) -> dict[str, float]:
        return self._meter.seconds

    def _call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        result, spans = self._meter.call(function, *arguments)
        for span in spans:
            self.clock.add(TRAINER, *span)
        return result

    def reset(self, slot: int, start: Start) -> None:
        self._resets[slot] = start

    def step(self, slot: int, actions: FloatArray) -> None:
        self._steps[slot] = actions

    def wait(self) -> list[SlotResult]:
        ready = []
        if self._steps:
            slots = list(self._steps)
            results = self._call(self._environment.step_slots, slots, np.stack(list(self._steps.values())))
            ready += [SlotResult(slot, result.observation, result) for slot, result in zip(slots, results, strict=True)]
        if self._resets:
            slots = list(self._resets)
            observations = self._call(self._environment.reset_slots, slots, list(self._resets.values()))
            ready += [SlotResult(slot, observations[row], None) for row, slot in enumerate(slots)]
        self._steps, self._resets = {}, {}
        return ready

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        return self._call(self._environment.demonstrate_many, starts, seed)

    def film(self, slot: int) -> ImageArray:
        return self._environment.film_slot(slot)

    def close(self) -> None:
        self._environment.close()


class ProcessPool:
    """Worker processes of several slots each; one message each way a chunk, images through shared memory.

    Slot s is slot s // workers of worker s % workers.  A worker serves its slots one after the other, in the order
    asked: while it steps one, the policy may answer another.
    """

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
        """environments: slots a worker.  share: False sends images in the messages."""
        self._workers: list[RemoteWorker] = []
        self._accounts: dict[str, float] = {}
        self.clock = SpanRecorder(on=False)
        self.workers, self.slots = workers, workers * environments
        self.forward_rows: int | None = forward_rows if deterministic else self.slots
        self.deterministic = deterministic
        self._held: list[set[int]] = [set() for _ in range(self.slots)]
        self.held: Sequence[set[int]] | None = self._held
        message = (entry.make, suite, options, environments, entry.batched)
        python = python or interpreters.worker_python(entry)
        try:
            for _ in range(workers):
                self._workers.append(RemoteWorker(python, message, share=share))
            contracts = [worker.begin(environments) for worker in self._workers]  # all: each must have started
            self.contract: EnvironmentSpec = contracts[0]
        except BaseException:
            self.close()
            raise

    @property
    def seconds(self) -> dict[str, float]:
        total = dict(self._accounts)
        for worker in self._workers:
            for name, value in worker.seconds.items():
                total[name] = total.get(name, 0.0) + value
        return total

    @contextmanager
    def _transfer(self) -> Iterator[None]:
        """Account for messages: seconds of this process."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        ended = time.perf_counter()
        self.clock.add(TRAINER, "transfer", wall, ended)
        for name, spent in (("transfer", ended - wall), ("cpu:transfer", time.process_time() - cpu)):
            self._accounts[name] = self._accounts.get(name, 0.0) + spent

    def _ask(self, slot: int, name: str, argument: Any) -> None:
        with self._transfer():
            self._workers[slot % self.workers].ask(name, slot // self.workers, argument)

    def reset(self, slot: int, start: Start) -> None:
        self._held[slot].add(start.task)
        self._ask(slot, "reset", start)

    def step(self, slot: int, actions: FloatArray) -> None:
        self._ask(slot, "step", actions)

    def _answers(self) -> list[tuple[int, Any]]:
        """Block until a worker has answered -> (slot, value) of every answer that is there."""
        busy = {worker.connection: place for place, worker in enumerate(self._workers) if worker.owed}
        found = []
        for connection in wait_for_connections(list(busy)):
            place = busy[connection]  # type: ignore[index]
            worker = self._workers[place]
            with self._transfer():
                answers = worker.receive_all()
            for answer in answers:
                for span in answer.spans:
                    self.clock.add(f"worker {place}", *span)
                found.append((answer.slot * self.workers + place, answer.value))
        return sorted(found, key=itemgetter(0))

    def wait(self) -> list[SlotResult]:
        return [
            SlotResult(slot, value.observation, value)
            if isinstance(value, ChunkResult)
            else SlotResult(slot, value, None)
            for slot, value in self._answers()
        ]

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        found: list[Demonstration | None] = [None] * len(starts)
        todo = list(range(len(starts)))
        idle = list(range(self.workers))  # one slot a worker: an expert's episode leaves it nothing to wait for
        at: dict[int, int] = {}
        while todo or at:
            while todo and idle:
                place, slot = best_pair([starts[index].task for index in todo], idle, self._held)
                idle.remove(slot)
                at[slot] = index = todo.pop(place)
                self._held[slot].add(starts[index].task)
                self._ask(slot, "demonstrate", (starts[index], seed))
            for slot, answer in self._answers():
                found[at.pop(slot)] = answer
                idle.append(slot)
        return found

    def film(self, slot: int) -> ImageArray:
        self._ask(slot, "film", None)
        return self._answers()[0][1]  # type: ignore[no-any-return]

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
    """The pool that suits an environment: this process for batched ones, else `workers` processes.

    workers: 0 runs a plain environment in this process too: handy for debugging.  environments: slots a worker.
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
