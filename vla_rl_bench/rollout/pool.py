"""Pools: many slots of one environment, in this process or in others, behind one interface.

`reset` and `step` only ask; `wait` answers with the slots that are ready.  A slot has at most one question open.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_connections
from typing import IO, Any, Protocol

import numpy as np

from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.worker import build
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, ImageArray, Observation, Start

ACTIVITIES = ("stepping", "rendering", "reset")
_JOIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A slot's answer.  result: None after a reset; observation: None when the episode has ended."""

    slot: int
    observation: Observation | None
    result: ChunkResult | None


class Pool(Protocol):
    """slots: episodes side by side.  seconds: worker seconds by activity so far.  workers: processes (1 in-process).

    forward_rows: how many ready observations may share a policy forward; None where which ones are ready never depends
    on timing.
    """

    slots: int
    workers: int
    contract: EnvironmentSpec

    @property
    def forward_rows(self) -> int | None: ...

    @property
    def seconds(self) -> dict[str, float]: ...

    def reset(self, slot: int, start: Start) -> None: ...

    def step(self, slot: int, actions: FloatArray) -> None: ...

    def wait(self) -> list[Ready]: ...

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]: ...

    def film(self, slot: int) -> ImageArray: ...

    def close(self) -> None: ...


class InProcessPool:
    """All slots in this process; each `wait` serves every open question in two batched calls."""

    workers = 1
    forward_rows = None

    def __init__(self, environment: BatchedEnvironment) -> None:
        self._environment = environment
        self._resets: dict[int, Start] = {}
        self._steps: dict[int, FloatArray] = {}
        self.slots = environment.slots
        self.contract = environment.contract

    @property
    def seconds(self) -> dict[str, float]:
        return dict(self._environment.seconds)

    def reset(self, slot: int, start: Start) -> None:
        self._resets[slot] = start

    def step(self, slot: int, actions: FloatArray) -> None:
        self._steps[slot] = actions

    def wait(self) -> list[Ready]:
        ready = []
        if self._steps:
            slots = list(self._steps)
            results = self._environment.step_slots(slots, np.stack(list(self._steps.values())))
            ready += [Ready(slot, result.observation, result) for slot, result in zip(slots, results, strict=True)]
        if self._resets:
            slots = list(self._resets)
            observations = self._environment.reset_slots(slots, list(self._resets.values()))
            ready += [Ready(slot, observations[row], None) for row, slot in enumerate(slots)]
        self._steps, self._resets = {}, {}
        return ready

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        return self._environment.demonstrate_many(starts, seed)

    def film(self, slot: int) -> ImageArray:
        return self._environment.film_slot(slot)

    def close(self) -> None:
        self._environment.close()


class _Worker:
    """A worker process and the socket to it."""

    def __init__(self, python: str, message: tuple[Any, ...]) -> None:
        ours, theirs = socket.socketpair()
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        # one thread each: the workers are the parallelism
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [python, "-m", "vla_rl_bench.rollout.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=threads | dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.connection.send(message)
        self.seconds: dict[str, float] = {}

    def receive(self) -> Any:
        """The next answer; raises `EnvironmentFailure` with the worker's own words when there is none."""
        try:
            ok, answer, seconds = self.connection.recv()
        except (EOFError, ConnectionResetError):
            code = self.process.wait(timeout=_JOIN_SECONDS)
            raise EnvironmentFailure(f"an environment worker died (exit status {code})\n{self.last_words()}") from None
        if ok is None:
            raise UserError(answer)
        if not ok:
            raise EnvironmentFailure(f"an environment worker raised\n{answer}")
        self.seconds.update(seconds)
        return answer

    def last_words(self) -> str:
        self.log.seek(0)
        return self.log.read()[-4000:].decode(errors="replace").strip()

    def close(self) -> None:
        self.connection.close()  # the worker ends when its socket does
        try:
            self.process.wait(timeout=_JOIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class ProcessPool:
    """One slot a worker process; one message each way a chunk.

    Observations are forwarded one by one (`forward_rows` = 1), so that no number depends on which worker was faster.
    """

    forward_rows = 1

    def __init__(
        self, entry: EnvironmentEntry, suite: str, options: Any, workers: int, python: str | None = None
    ) -> None:
        message = (entry.make, suite, options, 1, entry.batched)
        self._workers: list[_Worker] = []
        self._open: dict[int, str] = {}
        self.slots = self.workers = workers
        try:
            for _ in range(workers):
                self._workers.append(_Worker(python or sys.executable, message))
            contracts = [worker.receive() for worker in self._workers]  # all of them: each must have started
            self.contract: EnvironmentSpec = contracts[0]
        except BaseException:
            self.close()
            raise

    @property
    def seconds(self) -> dict[str, float]:
        total: dict[str, float] = {}
        for worker in self._workers:
            for name, value in worker.seconds.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def _ask(self, slot: int, name: str, argument: Any) -> None:
        if slot in self._open:
            raise RuntimeError(f"slot {slot} still owes an answer to `{self._open[slot]}`")
        try:
            self._workers[slot].connection.send((name, argument))
        except (BrokenPipeError, ConnectionResetError):
            self._workers[slot].receive()  # raises with the worker's last words
        self._open[slot] = name

    def reset(self, slot: int, start: Start) -> None:
        self._ask(slot, "reset", (0, start))

    def step(self, slot: int, actions: FloatArray) -> None:
        self._ask(slot, "step", (0, actions))

    def _answers(self) -> list[tuple[int, str, Any]]:
        """Block until at least one worker has answered; all answers that are there."""
        slots = {id(self._workers[slot].connection): slot for slot in self._open}
        answered = wait_for_connections([self._workers[slot].connection for slot in self._open])
        found = sorted(slots[id(connection)] for connection in answered)
        return [(slot, self._open.pop(slot), self._workers[slot].receive()) for slot in found]

    def wait(self) -> list[Ready]:
        ready = []
        for slot, name, answer in self._answers():
            if name == "reset":
                ready.append(Ready(slot, answer, None))
            else:
                ready.append(Ready(slot, answer.observation, answer))
        return ready

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        found: list[Demonstration | None] = [None] * len(starts)
        todo = list(reversed(range(len(starts))))
        idle = list(range(self.slots))
        at: dict[int, int] = {}
        while todo or at:
            while todo and idle:
                slot = idle.pop()
                at[slot] = todo.pop()
                self._ask(slot, "demonstrate", (starts[at[slot]], seed))
            for slot, _, answer in self._answers():
                found[at.pop(slot)] = answer
                idle.append(slot)
        return found

    def film(self, slot: int) -> ImageArray:
        self._ask(slot, "film", 0)
        return self._answers()[0][2]  # type: ignore[no-any-return]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._workers = []


def open_pool(
    entry: EnvironmentEntry, suite: str, options: Any, *, slots: int, workers: int, python: str | None = None
) -> Pool:
    """The pool that suits an environment: this process for batched ones, else `workers` processes.

    workers: 0 runs a plain environment in this process too (one slot): handy for debugging.
    """
    if entry.batched:
        return InProcessPool(build(entry.make, suite, options, slots, True))
    if workers == 0 and python is None:
        return InProcessPool(build(entry.make, suite, options, 1, False))
    return ProcessPool(entry, suite, options, max(workers, 1), python)
