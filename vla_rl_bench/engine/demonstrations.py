"""Demonstrations: made once by the environment's expert, kept on disk, shared by every run that asks for the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vla_rl_bench import seeding
from vla_rl_bench.errors import UserError
from vla_rl_bench.results.store import write_bytes
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.types import Demonstration, EnvironmentSpec, Observation, Start


def demonstration_starts(contract: EnvironmentSpec, bounds: tuple[int, int], task: int, seed: int) -> list[Start]:
    """The demonstration split in the order in which this seed uses it.  bounds: half-open range of start indices.

    A split of up to 10,000 starts is shuffled whole; of a larger one, 10,000 starts are drawn.
    """
    first, stop = bounds
    order = seeding.generator("demonstration-starts", seed, task)
    size = min(stop - first, 10_000)
    return [Start(task, first + int(index)) for index in order.choice(stop - first, size=size, replace=False)]


def collect(pool: Pool, bounds: tuple[int, int], tasks: Sequence[int], per_task: int, seed: int) -> list[Demonstration]:
    """`per_task` successful demonstrations of each task; where the expert fails, the next start of the split serves."""
    found: list[Demonstration] = []
    for task in tasks:
        starts = demonstration_starts(pool.contract, bounds, task, seed)
        mine: list[Demonstration] = []
        while len(mine) < per_task and starts:
            batch, starts = starts[: per_task - len(mine)], starts[per_task - len(mine) :]
            mine += [shown for shown in pool.demonstrate(batch, seed) if shown is not None]
        if len(mine) < per_task:
            raise UserError(
                f"task {task} of {pool.contract.suite}: the expert solved {len(mine)} of the {bounds[1] - bounds[0]} "
                f"demonstration starts, and {per_task} are asked for. Lower demonstrations.per_task or widen "
                "environment.starts.demonstration."
            )
        found += mine
    return found


def save(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    """One compressed NumPy archive."""
    arrays: dict[str, np.ndarray] = {"starts": np.array([(d.start.task, d.start.index) for d in demonstrations])}
    for number, shown in enumerate(demonstrations):
        arrays[f"{number}.actions"] = shown.actions
        arrays[f"{number}.proprio"] = shown.observations.proprio
        for camera, image in shown.observations.images.items():
            arrays[f"{number}.image.{camera}"] = image
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def load(path: Path) -> list[Demonstration]:
    with np.load(path) as archive:
        arrays = dict(archive)
    found = []
    for number, (task, index) in enumerate(arrays["starts"].tolist()):
        prefix = f"{number}.image."
        images = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        observations = Observation(images, arrays[f"{number}.proprio"])
        found.append(Demonstration(Start(task, index), observations, arrays[f"{number}.actions"]))
    return found
