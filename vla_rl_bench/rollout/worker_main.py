"""Run the worker under another interpreter, with the trainer's own code.

``PYTHON elsewhere.py NAME=FOLDER ... SOCKET MEMORY``: the packages NAME are imported from FOLDER, where the trainer has
them; everything else is that interpreter's own.  So it needs NumPy and the simulator, nothing of ours, and both ends of
the socket run the same version.  Executed as a file; the standard library only, Python 3.10 or newer.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


def packages(make: str) -> dict[str, str]:
    """What a worker borrows to build ``"package.module:attribute"``: our package and that one -> their folders here."""
    found = {}
    for name in ("vla_rl_bench", make.split(":")[0].split(".")[0]):
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations:
            found[name] = next(iter(spec.submodule_search_locations))
    return found


def command(python: str, make: str) -> list[str]:
    """Starts the worker under `python`; the socket's and the memory's descriptors follow."""
    return [python, __file__, *(f"{name}={folder}" for name, folder in packages(make).items())]


class HostPackageFinder(MetaPathFinder):
    """Finds the borrowed packages before that interpreter's own search does; their submodules are found in them."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.folders:
            return None
        folder = Path(self.folders[name])
        return importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )


def main() -> None:
    *borrowed, socket, memory = sys.argv[1:]
    sys.path.pop(0)  # this file's folder, whose modules are no top-level modules
    sys.meta_path.insert(0, HostPackageFinder(dict(one.split("=", 1) for one in borrowed)))
    sys.argv[1:] = [socket, memory]
    from vla_rl_bench.rollout import worker

    worker.main()


if __name__ == "__main__":
    main()
