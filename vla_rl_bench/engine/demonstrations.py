"""Demonstrations of the environment's expert: made once, kept on disk, shared by all runs that need the same ones."""

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


def demonstration_starts(contract: EnvironmentSpec, start_range: tuple[int, int], task: int, seed: int) -> list[Start]:
    """Starts of the demonstration split (a half-open range) in the order in which this seed uses them.

    A split of up to 10,000 starts is shuffled; of a larger one 10,000 starts are sampled.
    """
    first, stop = start_range
    order = seeding.generator("demonstration-starts", seed, task)
    size = min(stop - first, 10_000)
    return [Start(task, first + int(index)) for index in order.choice(stop - first, size=size, replace=False)]


ATTEMPTS = 4  # per start: experts are noisy, and another attempt often succeeds


Progress = Callable[[int, int], None]  # (demonstrations so far, demonstrations in all)


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


def build(
    path: Path,
    pool: Pool,
    start_range: tuple[int, int],
    tasks: Sequence[int],
    per_task: int,
    seed: int,
    progress: Progress = no_progress,
) -> None:
    """Make the demonstrations and write them to `path`, unless it exists.

    Every attempt is stored in ``<path>.parts`` until all are done, so an interrupted build resumes and ends with the
    same bytes.  Only one process builds; others wait for it.
    """
    parts = path.with_name(f"{path.name}.parts")
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            save(path, collect(pool, start_range, tasks, per_task, seed, CachedExpertAttempts(pool, parts), progress))
        shutil.rmtree(parts, ignore_errors=True)


class ExpertAttempts:
    """Attempts of the expert on the slots of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def demonstrate(self, starts: Sequence[Start], seed: int, attempt: int) -> list[Demonstration | None]:
        return self._pool.demonstrate(starts, seeding.integer("demonstration", seed, attempt))


class CachedExpertAttempts(ExpertAttempts):
    """Expert attempts that are stored in a file of `folder` at once: a demonstration, or none if the expert failed."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        super().__init__(pool)
        self._folder = folder

    def demonstrate(self, starts: Sequence[Start], seed: int, attempt: int) -> list[Demonstration | None]:
        files = [self._folder / f"{start.task}-{attempt}-{start.index}.npz" for start in starts]
        missing = [index for index, file in enumerate(files) if not file.exists()]
        while missing:
            batch, missing = missing[: self._pool.workers], missing[self._pool.workers :]
            demonstrations = super().demonstrate([starts[index] for index in batch], seed, attempt)
            for index, demonstration in zip(batch, demonstrations, strict=True):
                save(files[index], [] if demonstration is None else [demonstration])
        return [next(iter(load(file)), None) for file in files]


def collect(
    pool: Pool,
    start_range: tuple[int, int],
    tasks: Sequence[int],
    per_task: int,
    seed: int,
    attempts: ExpertAttempts | None = None,
    progress: Progress = no_progress,
) -> list[Demonstration]:
    """Collect `per_task` successful demonstrations of each task, each from another start.

    If the expert fails, the next start of the split is used; when none is left, the failed starts are attempted again
    with other noise.
    """
    demonstrations: list[Demonstration] = []
    total = per_task * len(tasks)
    for task in tasks:
        before = len(demonstrations)
        demonstrations += _collect_task(
            pool.contract,
            attempts or ExpertAttempts(pool),
            start_range,
            task,
            per_task,
            seed,
            lambda more, before=before: progress(before + more, total),  # type: ignore[misc]
        )
    return demonstrations


def _collect_task(
    contract: EnvironmentSpec,
    attempts: ExpertAttempts,
    start_range: tuple[int, int],
    task: int,
    per_task: int,
    seed: int,
    progress: Callable[[int], None],
) -> list[Demonstration]:
    demonstrations: list[Demonstration] = []
    failed = demonstration_starts(contract, start_range, task, seed)
    for attempt in range(ATTEMPTS):
        starts, failed = failed, []
        while len(demonstrations) < per_task and starts:
            progress(len(demonstrations))
            missing = per_task - len(demonstrations)
            batch, starts = starts[:missing], starts[missing:]
            outcomes = attempts.demonstrate(batch, seed, attempt)
            demonstrations += [outcome for outcome in outcomes if outcome is not None]
            failed += [start for start, outcome in zip(batch, outcomes, strict=True) if outcome is None]
    if len(demonstrations) < per_task:
        raise UserError(
            f"task {task} of {contract.suite}: the expert solved {len(demonstrations)} of the "
            f"{start_range[1] - start_range[0]} demonstration starts; the suite asks for {per_task}. "
            + (
                "Lower demonstrations.per_task or widen environment.starts.demonstration."
                if demonstrations
                else "Leave the task out of `tasks`, or give demonstrations.source."
            )
        )
    progress(len(demonstrations))
    return demonstrations


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
            positions = np.argwhere(~np.isfinite(values))
            if len(positions):
                (step, column), task = positions[0], demonstration.start.task
                raise UserError(
                    f"{source}: a demonstration of task {task} ({contract.tasks[task].name}): {kind} `{names[column]}` "
                    f"is {values[step, column]} at step {step}, and must be finite; remove that demonstration"
                )


def save(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    """Write one compressed NumPy archive."""
    arrays: dict[str, np.ndarray] = {"starts": np.array([(d.start.task, d.start.index) for d in demonstrations])}
    for number, demonstration in enumerate(demonstrations):
        arrays[f"{number}.actions"] = demonstration.actions
        arrays[f"{number}.proprio"] = demonstration.observations.proprio
        if demonstration.events is not None:
            arrays[f"{number}.events"] = np.array(demonstration.events, np.str_)
        for camera, image in demonstration.observations.images.items():
            arrays[f"{number}.image.{camera}"] = image
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def load(path: Path) -> list[Demonstration]:
    with np.load(path) as archive:
        arrays = dict(archive)
    demonstrations = []
    for number, (task, index) in enumerate(arrays["starts"].tolist()):
        prefix = f"{number}.image."
        images = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        observations = Observation(images, arrays[f"{number}.proprio"])
        recorded = arrays.get(f"{number}.events")
        events = None if recorded is None else tuple(recorded.tolist())
        demonstrations.append(Demonstration(Start(task, index), observations, arrays[f"{number}.actions"], events))
    return demonstrations
