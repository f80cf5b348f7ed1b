"""Entry point of worker processes, also under another interpreter with this process's own code.

``PYTHON worker_main.py NAME=FOLDER ... SOCKET MEMORY``: the packages NAME are imported from FOLDER, where the trainer
imports them; everything else is that interpreter's own.  So it needs NumPy and the simulator but none of our packages,
and both ends of the socket run the same version.  Standard library only, Python 3.10 or newer.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


def host_packages(make: str) -> dict[str, str]:
    """Folders of the packages that build ``"package.module:attribute"``: ours and that one."""
    folders = {}
    for name in ("vla_rl_bench", make.split(":")[0].split(".")[0]):
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations:
            folders[name] = next(iter(spec.submodule_search_locations))
    return folders


def command(python: str | None, make: str) -> list[str]:
    """Command that starts a worker, without the descriptors of socket and memory; None: under this interpreter."""
    if python is None:
        return [sys.executable, "-m", "vla_rl_bench.rollout.worker_main"]
    return [python, __file__, *(f"{name}={folder}" for name, folder in host_packages(make).items())]


class HostPackageFinder(MetaPathFinder):
    """Find the trainer's packages before the interpreter's own search does."""

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
    *folders, socket, memory = sys.argv[1:]
    if folders:
        sys.path.pop(0)  # this file's folder, whose modules are no top-level modules
        sys.meta_path.insert(0, HostPackageFinder(dict(folder.split("=", 1) for folder in folders)))
    sys.argv[1:] = [socket, memory]
    from vla_rl_bench.rollout import worker

    worker.main()


if __name__ == "__main__":
    main()
