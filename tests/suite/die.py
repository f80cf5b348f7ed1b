"""Run a suite and be killed (SIGKILL) at the n-th call of a function: ``python -m tests.suite.die TARGET N SUITE OUT``.

TARGET: ``module:name`` or ``module:Class.name``.  With ``torn:module:append_json_lines`` the n-th call
writes half of its bytes first.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vla_rl_bench.analysis.outputs import run


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tear(path: Path, records: list[dict[str, Any]]) -> None:
    """Write the first half of the lines, the last of them torn, and die."""
    data = b"".join(json.dumps(record, sort_keys=True).encode() + b"\n" for record in records)
    with path.open("ab") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        os.fsync(file.fileno())
    kill()


def arm(target: str, n: int) -> None:
    """Replace the target by itself with death at the n-th call."""
    torn = target.startswith("torn:")
    module, _, name = target.removeprefix("torn:").partition(":")
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, last)
    calls = 0

    def deadly(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == n:
            tear(*arguments) if torn else kill()
        return original(*arguments, **keywords)

    setattr(owner, last, deadly)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    run(Path(sys.argv[3]), [], Path(sys.argv[4]), jobs=1)
