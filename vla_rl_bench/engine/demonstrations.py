"""Demonstrations: made once by the environment's expert, kept on disk, shared by every run that asks for the same."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vla_rl_bench import seeding
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import exclusive_lock, write_bytes
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


Progress = Callable[[int, int], None]  # demonstrations that there are, demonstrations in all


def quiet(done: int, total: int) -> None:
    """Says nothing."""


def build(
    path: Path,
    pool: Pool,
    bounds: tuple[int, int],
    tasks: Sequence[int],
    per_task: int,
    seed: int,
    progress: Progress = quiet,
) -> None:
    """Write the store at `path`, unless it is there.

    Every try is kept in ``<path>.parts`` until the store is whole, so that a build that is killed goes on where it was,
    and ends with the same bytes.  Only one process builds; others wait for it.
    """
    parts = path.with_name(f"{path.name}.parts")
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            save(path, collect(pool, bounds, tasks, per_task, seed, CachedExpertAttempts(pool, parts), progress))
        shutil.rmtree(parts, ignore_errors=True)


class ExpertAttempts:
    """Tries of the expert, which a pool makes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def demonstrate(self, starts: Sequence[Start], seed: int, attempt: int) -> list[Demonstration | None]:
        return self._pool.demonstrate(starts, seeding.integer("demonstration", seed, attempt))


class CachedExpertAttempts(ExpertAttempts):
    """The same, each kept in a file of `folder` at once: a demonstration, or none where the expert failed."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        super().__init__(pool)
        self._folder = folder

    def demonstrate(self, starts: Sequence[Start], seed: int, attempt: int) -> list[Demonstration | None]:
        files = [self._folder / f"{start.task}-{attempt}-{start.index}.npz" for start in starts]
        missing = [place for place, file in enumerate(files) if not file.exists()]
        while missing:
            now, missing = missing[: self._pool.workers], missing[self._pool.workers :]
            shown = super().demonstrate([starts[place] for place in now], seed, attempt)
            for place, one in zip(now, shown, strict=True):
                save(files[place], [] if one is None else [one])
        return [next(iter(load(file)), None) for file in files]


def collect(
    pool: Pool,
    bounds: tuple[int, int],
    tasks: Sequence[int],
    per_task: int,
    seed: int,
    tries: ExpertAttempts | None = None,
    progress: Progress = quiet,
) -> list[Demonstration]:
    """`per_task` successful demonstrations of each task, each from another start.

    Where the expert fails, the split's next start serves; when none is left, the failed ones are tried again with
    other noise.
    """
    found: list[Demonstration] = []
    total = per_task * len(tasks)
    for task in tasks:
        before = len(found)
        found += _collect_task(
            pool.contract,
            tries or ExpertAttempts(pool),
            bounds,
            task,
            per_task,
            seed,
            lambda more, before=before: progress(before + more, total),  # type: ignore[misc]
        )
    return found


def _collect_task(
    contract: EnvironmentSpec,
    tries: ExpertAttempts,
    bounds: tuple[int, int],
    task: int,
    per_task: int,
    seed: int,
    progress: Callable[[int], None],
) -> list[Demonstration]:
    found: list[Demonstration] = []
    failed = demonstration_starts(contract, bounds, task, seed)
    for attempt in range(ATTEMPTS):
        starts, failed = failed, []
        while len(found) < per_task and starts:
            progress(len(found))
            missing = per_task - len(found)
            batch, starts = starts[:missing], starts[missing:]
            shown = tries.demonstrate(batch, seed, attempt)
            found += [one for one in shown if one is not None]
            failed += [start for start, one in zip(batch, shown, strict=True) if one is None]
    if len(found) < per_task:
        raise UserError(
            f"task {task} of {contract.suite}: the expert solved {len(found)} of the {bounds[1] - bounds[0]} "
            f"demonstration starts, and {per_task} are asked for. "
            + (
                "Lower demonstrations.per_task or widen environment.starts.demonstration."
                if found
                else "Leave the task out of `tasks`, or give demonstrations.source."
            )
        )
    progress(len(found))
    return found


def event_counts(demonstrations: Sequence[Demonstration]) -> list[tuple[tuple[str, ...], int]] | None:
    """Count the demonstrations with each sequence of events; None if the events of some are not known."""
    sequences = [demonstration.events for demonstration in demonstrations]
    known = [events for events in sequences if events is not None]
    return sorted(Counter(known).items()) if len(known) == len(sequences) else None


def check_finite(demonstrations: Sequence[Demonstration], contract: EnvironmentSpec, source: Path) -> None:
    """Reject demonstrations with a NaN or infinite action or proprioception.

    Raises:
        UserError: Names the first such number.
    """
    for demonstration in demonstrations:
        columns = (
            ("action", contract.action.names, demonstration.actions),
            ("proprioception", contract.proprio, demonstration.observations.proprio),
        )
        for kind, names, values in columns:
            places = np.argwhere(~np.isfinite(values))
            if len(places):
                (step, column), task = places[0], demonstration.start.task
                raise UserError(
                    f"{source}: a demonstration of task {task} ({contract.tasks[task].name}): {kind} `{names[column]}` "
                    f"is {values[step, column]} at step {step}, and must be finite; remove that demonstration"
                )


def save(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    """One compressed NumPy archive."""
    arrays: dict[str, np.ndarray] = {"starts": np.array([(d.start.task, d.start.index) for d in demonstrations])}
    for number, shown in enumerate(demonstrations):
        arrays[f"{number}.actions"] = shown.actions
        arrays[f"{number}.proprio"] = shown.observations.proprio
        if shown.events is not None:
            arrays[f"{number}.events"] = np.array(shown.events, np.str_)
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
        noted = arrays.get(f"{number}.events")
        events = None if noted is None else tuple(noted.tolist())
        found.append(Demonstration(Start(task, index), observations, arrays[f"{number}.actions"], events))
    return found
