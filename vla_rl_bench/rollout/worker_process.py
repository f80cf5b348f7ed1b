"""A worker process, seen from the trainer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import IO, Any

from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.rollout import worker_main
from vla_rl_bench.rollout.messages import WorkerReply
from vla_rl_bench.rollout.shared_images import NO_MEMORY, SharedImages, open_memory
from vla_rl_bench.types import ChunkResult, EnvironmentSpec, Observation

_JOIN_SECONDS = 5.0


def _command(python: str | None, make: str) -> list[str]:
    return worker_main.command(python, make) if python else [sys.executable, "-m", "vla_rl_bench.rollout.worker"]


class RemoteWorker:
    """A process that holds `environments` slots, the socket to it, and the memory that its images come through.

    owed: slot -> the request it has not answered.  Answers come in the order of requests.
    """

    def __init__(self, python: str | None, message: tuple[Any, ...], *, share: bool) -> None:
        """message: the arguments of `vla_rl_bench.rollout.worker.build`."""
        ours, theirs = socket.socketpair()
        self._memory = open_memory() if share else NO_MEMORY
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        # one thread each: the workers are the parallelism
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [*_command(python, message[0]), str(theirs.fileno()), str(self._memory)],
            pass_fds=[fd for fd in (theirs.fileno(), self._memory) if fd != NO_MEMORY],
            env=threads | dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.connection.send(message)
        self.owed: dict[int, str] = {}
        self.seconds: dict[str, float] = {}
        self._slab: SharedImages | None = None

    def begin(self, slots: int) -> EnvironmentSpec:
        """Wait until the environment is built -> its contract."""
        contract, shares = self.receive().value
        if shares:
            self._slab = SharedImages(self._memory, contract.images, slots)
        elif self._memory != NO_MEMORY:
            os.close(self._memory)
        self._memory = NO_MEMORY
        return contract  # type: ignore[no-any-return]

    def ask(self, name: str, slot: int, argument: Any) -> None:
        if slot in self.owed:
            raise RuntimeError(f"slot {slot} still owes an answer to `{self.owed[slot]}`")
        try:
            self.connection.send((name, slot, argument))
        except (BrokenPipeError, ConnectionResetError):
            self.receive()  # raises with the worker's last words
        self.owed[slot] = name

    def receive(self) -> WorkerReply:
        """The next answer; raises `EnvironmentFailure` with the worker's own words when there is none."""
        try:
            answer: WorkerReply = self.connection.recv()
        except (EOFError, ConnectionResetError):
            code = self.process.wait(timeout=_JOIN_SECONDS)
            raise EnvironmentFailure(f"an environment worker died (exit status {code})\n{self._last_words()}") from None
        if answer.ok is None:
            raise UserError(answer.value)
        if not answer.ok:
            raise EnvironmentFailure(f"an environment worker raised\n{answer.value}")
        self.seconds = answer.seconds
        self.owed.pop(answer.slot, None)
        return replace(answer, value=self._with_images(answer.slot, answer.value))

    def receive_all(self) -> list[WorkerReply]:
        """The next answer and those that are there behind it."""
        answers = [self.receive()]
        while self.owed and self.connection.poll():
            answers.append(self.receive())
        return answers

    def _with_images(self, slot: int, value: Any) -> Any:
        """What the worker answered, its images where it left them."""
        if self._slab is None:
            return value
        if isinstance(value, Observation):
            return self._slab.get(slot, value)
        if isinstance(value, ChunkResult) and value.observation is not None:
            return replace(value, observation=self._slab.get(slot, value.observation))
        return value

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read()[-4000:].decode(errors="replace").strip()

    def close(self) -> None:
        self.connection.close()  # the worker ends when its socket does
        try:
            self.process.wait(timeout=_JOIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._memory != NO_MEMORY:
            os.close(self._memory)
            self._memory = NO_MEMORY
        self._log.close()
