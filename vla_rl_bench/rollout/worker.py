"""An environment process: builds one environment and serves its slots over a socket until the socket closes.

Runs under any interpreter that has NumPy and the environment's plugin:
``python -m vla_rl_bench.rollout.worker SOCKET MEMORY``, two inherited file descriptors.
Imports the standard library, NumPy and the plugin; never torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from vla_rl_bench.entries import load
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.messages import WorkerReply
from vla_rl_bench.rollout.shared_images import SharedImages, try_slab
from vla_rl_bench.rollout.slots import SlotEnvironments
from vla_rl_bench.rollout.timing import ActivityTimer
from vla_rl_bench.types import ChunkResult, Observation


def build(make: str, suite: str, options: Any, slots: int, batched: bool) -> BatchedEnvironment:
    """The environment as slots.  make: ``"module:function"`` of an `EnvironmentEntry`."""
    function: Callable[..., Any] = load(make)
    if batched:
        return function(suite, options, slots)  # type: ignore[no-any-return]
    return SlotEnvironments(lambda: function(suite, options, 1), slots)


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def perform(environment: BatchedEnvironment, name: str, slot: int, argument: Any) -> Any:
    """Do what is asked.  The requests are those of `vla_rl_bench.rollout.pool.ProcessPool`."""
    if name == "reset":
        return environment.reset_slots([slot], [argument])[0]
    if name == "step":
        return environment.step_slots([slot], np.asarray(argument)[None])[0]
    if name == "demonstrate":
        start, seed = argument
        return environment.demonstrate_many([start], seed)[0]
    if name == "film":
        return environment.film_slot(slot)
    raise ValueError(f"unknown request {name!r}")


def _share(slab: SharedImages | None, slot: int, value: Any) -> Any:
    """The answer with its images left in shared memory, where there is some."""
    if slab is None:
        return value
    if isinstance(value, Observation):
        return slab.put(slot, value)
    if isinstance(value, ChunkResult) and value.observation is not None:
        return replace(value, observation=slab.put(slot, value.observation))
    return value


def serve(connection: Connection, memory: int) -> None:
    """Build what the first message asks for, then answer requests one after the other.

    A request is ``(name, slot, argument)``; several slots' requests may wait in the socket.  The first answer is the
    contract and whether images come through `memory`.
    """
    environment = build(*connection.recv())
    slab = try_slab(memory, environment.contract.images, environment.slots)
    connection.send(WorkerReply(True, 0, (environment.contract, slab is not None)))
    meter = ActivityTimer(environment)
    while True:
        name, slot, argument = connection.recv()
        value, spans = meter.call(perform, environment, name, slot, argument)
        connection.send(WorkerReply(True, slot, _share(slab, slot, value), meter.seconds, spans))


def _last_words(connection: Connection, ok: bool | None, text: str) -> None:
    with contextlib.suppress(OSError):
        connection.send(WorkerReply(ok, 0, text))


def main() -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides what an interrupt means
    connection = Connection(int(sys.argv[1]))
    try:
        serve(connection, int(sys.argv[2]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the trainer is done with us, or gone
    except UserError as error:
        _last_words(connection, None, str(error))
    except BaseException:
        _last_words(connection, False, traceback.format_exc())
    sys.stdout.flush()
    os._exit(0)  # simulators' teardown prints harmless GL errors and may hang


if __name__ == "__main__":
    main()
