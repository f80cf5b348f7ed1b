"""Environment process: build one environment and serve its slots over a socket until the socket closes.

Started through `vla_rl_bench.rollout.worker_main`, under any interpreter that has NumPy and the environment's plugin.
Imports the standard library, NumPy and the plugin; never torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from vla_rl_bench.deprecated import given_warnings, warn_once
from vla_rl_bench.entries import load
from vla_rl_bench.errors import NotSupported, UserError
from vla_rl_bench.interfaces import BatchedEnvironment, Environment, EnvironmentBase
from vla_rl_bench.rollout.shared_images import SharedImages, map_shared_images
from vla_rl_bench.rollout.timing import ActivityTimer
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, ImageArray, Observation, Start


class Status(Enum):
    """Outcome of a request to a worker."""

    OK = "ok"
    USER_ERROR = "user error"  # the reply's value is the message
    CRASH = "crash"  # the reply's value is the traceback


@dataclass(frozen=True)
class WorkerReply:
    """A worker's answer to one request."""

    status: Status
    slot: int
    value: Any
    seconds: dict[str, float] = field(default_factory=dict)  # wall and CPU seconds by activity so far
    # what this request did, as (activity, start, end) in readings of ``time.perf_counter``
    spans: tuple[tuple[str, float, float], ...] = ()


class AdaptedEnvironment(EnvironmentBase):
    """An environment class without `EnvironmentBase`, as plugins for version 0.1 have; supported for one release."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.contract = environment.contract
        for name in ("step_chunk", "demonstrate", "film"):
            if hasattr(environment, name):
                setattr(self, name, getattr(environment, name))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        return self.environment.reset(seed=seed, options=options)

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        return self.environment.step(action)

    def close(self) -> None:
        self.environment.close()

    @property
    def seconds(self) -> dict[str, float] | None:  # type: ignore[override]
        return getattr(self.environment, "seconds", None)


def adapt_environment(environment: Environment | EnvironmentBase) -> EnvironmentBase:
    """Return the environment, in an adapter and with a warning if its class does not derive from `EnvironmentBase`."""
    if isinstance(environment, EnvironmentBase):
        return environment
    cls = type(environment)
    warn_once(f"{cls.__module__}.{cls.__qualname__} without a base class", "vla_rl_bench.interfaces.EnvironmentBase")
    return AdaptedEnvironment(environment)


def public_methods(cls: type) -> set[str]:
    """Return the names of a class's public methods, without those that torch and our interfaces define."""
    return {
        name
        for ancestor in cls.__mro__
        if not ancestor.__module__.startswith(("builtins", "torch.", "vla_rl_bench.interfaces"))
        for name, attribute in vars(ancestor).items()
        if not name.startswith("_") and callable(attribute)
    }


class SlotEnvironments:
    """A `BatchedEnvironment` made of one plain environment per slot, each built when its slot is first used."""

    def __init__(self, build: Callable[[], Environment | EnvironmentBase], slots: int) -> None:
        self._build = build
        self._first = adapt_environment(build())
        self._environments: dict[int, EnvironmentBase] = {0: self._first}
        self._own_seconds: dict[str, float] = {}
        self._last_observations: dict[int, Observation] = {}  # by slot, for films
        self.slots = slots
        self.contract: EnvironmentSpec = self._first.contract

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by activity, summed over the slots; environments whose ``seconds`` is None are timed here."""
        total = dict(self._own_seconds)
        for environment in self._environments.values():
            for name, value in (environment.seconds or {}).items():
                total[name] = total.get(name, 0.0) + value
        return total

    def _environment(self, slot: int) -> EnvironmentBase:
        if slot not in self._environments:
            self._environments[slot] = adapt_environment(self._build())
        return self._environments[slot]

    def _add_seconds(self, environment: EnvironmentBase, activity: str, started: float) -> None:
        if environment.seconds is None:
            self._own_seconds[activity] = self._own_seconds.get(activity, 0.0) + time.perf_counter() - started

    def reset_slots(self, slots: Sequence[int], starts: Sequence[Start]) -> Observation:
        observations = []
        for slot, start in zip(slots, starts, strict=True):
            environment, started = self._environment(slot), time.perf_counter()
            observations.append(environment.reset(options={"start": start})[0])
            self._add_seconds(environment, "reset", started)
            self._last_observations[slot] = observations[-1]
        return Observation.stack(observations)

    def step_slots(self, slots: Sequence[int], actions: FloatArray) -> list[ChunkResult]:
        results = []
        for slot, chunk in zip(slots, actions, strict=True):
            environment, started = self._environment(slot), time.perf_counter()
            results.append(environment.step_chunk(chunk))
            self._add_seconds(environment, "stepping", started)
            self._last_observations[slot] = results[-1].observation or self._last_observations[slot]
        return results

    def demonstrate_many(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        return [self._first.demonstrate(start, seed) for start in starts]

    def film_slot(self, slot: int) -> ImageArray:
        try:
            return self._environment(slot).film()
        except NotSupported:
            return next(iter(self._last_observations[slot].images.values()))

    def public_methods(self) -> set[str]:
        """Return the names of the methods that the environment's class adds to `EnvironmentBase`."""
        environment = self._first.environment if isinstance(self._first, AdaptedEnvironment) else self._first
        return public_methods(type(environment))

    def close(self) -> None:
        for environment in self._environments.values():
            environment.close()


def build(make: str, suite: str, options: Any, slots: int, batched: bool) -> BatchedEnvironment:
    """Build an environment with slots; `make` is the ``"module:function"`` of an `EnvironmentEntry`."""
    function: Callable[..., Any] = load(make)
    if batched:
        return function(suite, options, slots)  # type: ignore[no-any-return]
    return SlotEnvironments(lambda: function(suite, options, 1), slots)


def kill_when_parent_exits() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def handle_request(environment: BatchedEnvironment, name: str, slot: int, argument: Any) -> Any:
    """Handle one request of `vla_rl_bench.rollout.pool.ProcessPool`."""
    if name == "reset":
        return environment.reset_slots([slot], [argument])[0]
    if name == "step":
        return environment.step_slots([slot], np.asarray(argument)[None])[0]
    if name == "demonstrate":
        start, seed = argument
        return environment.demonstrate_many([start], seed)[0]
    if name == "film":
        return environment.film_slot(slot)
    if name == "public_methods" and isinstance(environment, SlotEnvironments):  # for the contract tests
        return environment.public_methods()
    raise ValueError(f"unknown request {name!r}")


def _move_images(images: SharedImages | None, slot: int, value: Any) -> Any:
    """Move the images of an answer to shared memory, if there is any."""
    if images is None:
        return value
    if isinstance(value, Observation):
        return images.put(slot, value)
    if isinstance(value, ChunkResult) and value.observation is not None:
        return replace(value, observation=images.put(slot, value.observation))
    return value


def serve(connection: Connection, memory: int) -> None:
    """Build the environment that the first message describes, then answer requests one after the other.

    A request is ``(name, slot, argument)``; requests of several slots may wait in the socket.  The first reply holds
    the environment's contract, whether images come through `memory`, and the deprecation warnings so far.
    """
    environment = build(*connection.recv())
    images = map_shared_images(memory, environment.contract.images, environment.slots)
    connection.send(WorkerReply(Status.OK, 0, (environment.contract, images is not None, given_warnings())))
    timer = ActivityTimer(environment)
    while True:
        name, slot, argument = connection.recv()
        value, spans = timer.call(handle_request, environment, name, slot, argument)
        connection.send(WorkerReply(Status.OK, slot, _move_images(images, slot, value), timer.seconds, spans))


def _send_error(connection: Connection, status: Status, text: str) -> None:
    with contextlib.suppress(OSError):
        connection.send(WorkerReply(status, 0, text))


def main() -> None:
    """Serve the socket and the memory whose file descriptors are the program's arguments."""
    kill_when_parent_exits()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides what an interrupt means
    connection = Connection(int(sys.argv[1]))
    try:
        serve(connection, int(sys.argv[2]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the trainer has closed the socket or has ended
    except UserError as error:
        _send_error(connection, Status.USER_ERROR, str(error))
    except BaseException:
        _send_error(connection, Status.CRASH, traceback.format_exc())
    sys.stdout.flush()
    os._exit(0)  # simulators' teardown prints harmless GL errors and may hang
