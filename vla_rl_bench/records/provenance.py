"""What a number was made with."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path


def versions(others: Iterable[str] = ()) -> dict[str, str]:
    """What ran: this package, its git revision where there is one, and what numbers depend on.

    others: distributions that a plugin needs, as `transformers`.
    """
    found = {name: metadata.version(name) for name in ("vla-rl-bench", "torch", "numpy")}
    for name in others:
        with suppress(metadata.PackageNotFoundError):  # a module that is called otherwise than its distribution
            found[name] = metadata.version(name)
    found["python"] = platform.python_version()
    found["machine"] = platform.machine()
    revision = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if revision.returncode == 0:
        found["git"] = revision.stdout.strip()
    return found
