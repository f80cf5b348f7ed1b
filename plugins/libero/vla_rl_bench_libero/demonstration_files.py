"""User-provided demonstrations in any supported format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench.types import Demonstration, EnvironmentSpec
from vla_rl_bench_libero import hdf5, lerobot
from vla_rl_bench_libero.options import LiberoOptions


def read(
    path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int, options: LiberoOptions
) -> list[Demonstration]:
    """Read a folder in LeRobot's format, or LIBERO's HDF5 files (`EnvironmentEntry.demonstrations`)."""
    if (path / lerobot.INFO).is_file():
        return lerobot.read(path, contract, tasks, per_task, options)
    return hdf5.read(path, contract, tasks, per_task, options)
