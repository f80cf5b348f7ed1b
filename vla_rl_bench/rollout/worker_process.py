"""Trainer side of a worker process."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import IO, Any

from vla_rl_bench.deprecated import repeat_warnings
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.rollout import worker_main
from vla_rl_bench.rollout.shared_images import NO_MEMORY, SharedImages, open_memory
from vla_rl_bench.rollout.worker import Status, WorkerReply
from vla_rl_bench.types import ChunkResult, EnvironmentSpec, Observation

_JOIN_SECONDS = 5.0


class RemoteWorker:
    """A worker process, the socket to it and the memory that its images come through.

    Replies come in the order of requests.
    """

    def __init__(self, python: str | None, message: tuple[Any, ...], *, share: bool) -> None:
        """message: the arguments of `vla_rl_bench.rollout.worker.build`."""
        ours, theirs = socket.socketpair()
        self._memory = open_memory() if share else NO_MEMORY
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        # one thread each: the workers are the parallelism
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [*worker_main.command(python, message[0]), str(theirs.fileno()), str(self._memory)],
            pass_fds=[fd for fd in (theirs.fileno(), self._memory) if fd != NO_MEMORY],
            env=threads | dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.connection.send(message)
        self.open_requests: dict[int, str] = {}  # by slot
        self.seconds: dict[str, float] = {}
        self._images: SharedImages | None = None

    def wait_until_built(self, slots: int) -> EnvironmentSpec:
        """Wait until the environment is built; return its contract and repeat the worker's deprecation warnings."""
        contract, shares, warnings = self.receive().value
        repeat_warnings(warnings)
        if shares:
            self._images = SharedImages(self._memory, contract.images, slots)
        elif self._memory != NO_MEMORY:
            os.close(self._memory)
        self._memory = NO_MEMORY
        return contract  # type: ignore[no-any-return]

    def request(self, name: str, slot: int, argument: Any) -> None:
        if slot in self.open_requests:
            raise RuntimeError(f"slot {slot} has not answered `{self.open_requests[slot]}`")
        try:
            self.connection.send((name, slot, argument))
        except (BrokenPipeError, ConnectionResetError):
            self.receive()  # raises with the worker's error
        self.open_requests[slot] = name

    def receive(self) -> WorkerReply:
        """Receive the next reply.

        Raises:
            UserError: The worker reports a mistake that the user can fix.
            EnvironmentFailure: The worker has crashed or died; with its traceback or log tail.
        """
        try:
            reply: WorkerReply = self.connection.recv()
        except (EOFError, ConnectionResetError):
            code = self.process.wait(timeout=_JOIN_SECONDS)
            raise EnvironmentFailure(f"an environment worker died (exit status {code})\n{self._log_tail()}") from None
        if reply.status is Status.USER_ERROR:
            raise UserError(reply.value)
        if reply.status is Status.CRASH:
            raise EnvironmentFailure(f"an environment worker raised\n{reply.value}")
        self.seconds = reply.seconds
        self.open_requests.pop(reply.slot, None)
        return replace(reply, value=self._with_images(reply.slot, reply.value))

    def receive_all(self) -> list[WorkerReply]:
        """Receive the next reply and those that have arrived behind it."""
        replies = [self.receive()]
        while self.open_requests and self.connection.poll():
            replies.append(self.receive())
        return replies

    def _with_images(self, slot: int, value: Any) -> Any:
        """Add the images that the worker left in shared memory."""
        if self._images is None:
            return value
        if isinstance(value, Observation):
            return self._images.get(slot, value)
        if isinstance(value, ChunkResult) and value.observation is not None:
            return replace(value, observation=self._images.get(slot, value.observation))
        return value

    def _log_tail(self) -> str:
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
