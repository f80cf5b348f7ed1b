"""An environment process: builds one environment and serves its slots over a socket until the socket closes.

Runs under any interpreter that has NumPy and the environment's plugin:
``python -m vla_rl_bench.rollout.worker FD``.  Imports the standard library, NumPy and the plugin; never torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from vla_rl_bench.entries import load
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.slots import SlotEnvironments


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


def answer(environment: BatchedEnvironment, request: tuple[str, Any]) -> Any:
    """One request -> one answer.  The requests are those of `vla_rl_bench.rollout.pool.ProcessPool`."""
    name, argument = request
    if name == "reset":
        slot, start = argument
        return environment.reset_slots([slot], [start])[0]
    if name == "step":
        slot, actions = argument
        return environment.step_slots([slot], np.asarray(actions)[None])[0]
    if name == "demonstrate":
        start, seed = argument
        return environment.demonstrate_many([start], seed)[0]
    if name == "film":
        return environment.film_slot(argument)
    raise ValueError(f"unknown request {name!r}")


def serve(connection: Connection) -> None:
    """Build what the first message asks for, then answer requests with ``(ok, answer, seconds so far)``."""
    environment = build(*connection.recv())
    connection.send((True, environment.contract, {}))
    while True:
        request = connection.recv()
        connection.send((True, answer(environment, request), dict(environment.seconds)))


def _last_words(connection: Connection, ok: bool | None, text: str) -> None:
    """ok: False for a defect, with its traceback; None for what a user can mend."""
    with contextlib.suppress(OSError):
        connection.send((ok, text, {}))


def main() -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides what an interrupt means
    connection = Connection(int(sys.argv[1]))
    try:
        serve(connection)
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
