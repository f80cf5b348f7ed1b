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


ATTEMPTS = 4  # times a start may be tried: experts are noisy, and another draw often succeeds


def collect(pool: Pool, bounds: tuple[int, int], tasks: Sequence[int], per_task: int, seed: int) -> list[Demonstration]:
    """`per_task` successful demonstrations of each task, each from another start.

    Where the expert fails, the split's next start serves; when none is left, the failed ones are tried again with
    other noise.
    """
    return [shown for task in tasks for shown in _collect_task(pool, bounds, task, per_task, seed)]


def _collect_task(pool: Pool, bounds: tuple[int, int], task: int, per_task: int, seed: int) -> list[Demonstration]:
    found: list[Demonstration] = []
    failed = demonstration_starts(pool.contract, bounds, task, seed)
    for attempt in range(ATTEMPTS):
        starts, failed = failed, []
        while len(found) < per_task and starts:
            missing = per_task - len(found)
            batch, starts = starts[:missing], starts[missing:]
            shown = pool.demonstrate(batch, seeding.integer("demonstration", seed, attempt))
            found += [one for one in shown if one is not None]
            failed += [start for start, one in zip(batch, shown, strict=True) if one is None]
    if len(found) < per_task:
        raise UserError(
            f"task {task} of {pool.contract.suite}: the expert solved {len(found)} of the {bounds[1] - bounds[0]} "
            f"demonstration starts, and {per_task} are asked for. Lower demonstrations.per_task or widen "
            "environment.starts.demonstration."
        )
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
