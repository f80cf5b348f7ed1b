"""Tries of an environment's expert, one a start; kept in a file, so that an interrupted measurement goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.options import make_options, plain_options
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import append_json_lines, filter_json_lines, read_json, read_json_lines, write_json
from vla_rl_bench.records.provenance import versions
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.types import SPLITS, EnvironmentSpec, Start

Progress = Callable[[str, int, int], None]  # stage, tries done, tries in all

_IDENTITY = ("environment", "suite", "protocol", "split", "seed", "options")  # tries that differ in these do not mix


@dataclass(frozen=True)
class Measurement:
    """What to measure.  tasks: empty for all; options: of the environment; starts: tries a task, from the split's
    beginning; workers: processes; 0 for this one; python: the workers' interpreter."""

    environment: str
    suite: str
    options: dict[str, Any]
    tasks: tuple[int, ...] = ()
    starts: int = 10
    split: str = "held-out"
    seed: int = 0
    workers: int = 1
    python: str | None = None


@dataclass(frozen=True)
class Trial:
    """steps: environment steps of a success, else None.  cpu_seconds: of the process that played it, the building of
    the simulator left out where the environment does not count it among its activities."""

    task: int
    index: int
    success: bool
    steps: int | None
    cpu_seconds: float


def measure(asked: Measurement, catalog: Catalog, folder: Path, progress: Progress) -> tuple[dict[str, Any], Path]:
    """Make the tries that are missing -> the record, as written to the JSON file, and that file.

    Each task has a pool of its own: a simulator's process may hold a gigabyte for every task it has seen.
    """
    if asked.split not in SPLITS:
        raise UserError(f"--split: unknown `{asked.split}`. Known: {', '.join(SPLITS)}")
    stem = folder / f"{asked.environment}-{asked.suite}"
    path, tries = stem.with_suffix(".json"), stem.with_suffix(".jsonl")
    contract = _contract(asked, catalog)
    record = _identity(asked, catalog, contract)
    _refuse_others(path, record, plain_options(catalog.environment(asked.environment).options()))
    folder.mkdir(parents=True, exist_ok=True)
    filter_json_lines(tries, lambda line: True)  # without a last line that a kill has torn
    write_json(path, record | {"tries": [asdict(one) for one in read_trials(tries)]})
    todo = _missing(asked, contract, read_trials(tries))
    total = sum(map(len, todo.values()))
    done = 0
    for task, starts in todo.items():
        progress(f"task {task}", done, total)
        pool = _open(asked, catalog)
        try:
            for batch in _batches(starts, pool):
                append_json_lines(tries, [asdict(one) for one in _try(pool, batch, asked.seed)])
                done += len(batch)
                progress(f"task {task}", done, total)
        finally:
            pool.close()
    record |= {"tries": [asdict(one) for one in sorted(read_trials(tries), key=lambda one: (one.task, one.index))]}
    write_json(path, record)
    return record, path


def read_trials(path: Path) -> list[Trial]:
    """The tries of a file; empty where there is none."""
    return [Trial(**line) for line in read_json_lines(path)]


def _contract(asked: Measurement, catalog: Catalog) -> EnvironmentSpec:
    pool = _open(asked, catalog)
    try:
        return pool.contract
    finally:
        pool.close()


def _open(asked: Measurement, catalog: Catalog) -> Pool:
    entry = catalog.environment(asked.environment)
    if asked.suite not in entry.suites:
        raise UserError(f"`{asked.environment}` has no suite `{asked.suite}`. Known: {', '.join(entry.suites)}")
    if asked.python is None:
        catalog.require(entry)
    options = make_options(entry.options, asked.options, asked.environment)
    return open_pool(entry, asked.suite, options, slots=8, workers=asked.workers, python=asked.python)


def _identity(asked: Measurement, catalog: Catalog, contract: EnvironmentSpec) -> dict[str, Any]:
    options = make_options(catalog.environment(asked.environment).options, asked.options, asked.environment)
    first, stop = contract.splits[asked.split]
    return {
        "environment": asked.environment,
        "suite": asked.suite,
        "protocol": contract.protocol,
        "comparable": contract.comparable,
        "split": f"{asked.split}: starts {first}-{stop - 1}",
        "seed": asked.seed,
        "options": plain_options(options),
        "tasks": [asdict(task) for task in contract.tasks],
        "versions": versions() | dict(contract.versions),
    }


def _refuse_others(path: Path, record: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Tries of another protocol, split or option may not be added to.  What had no such option yet had its default."""
    if not path.exists():
        return
    before = read_json(path)
    before["options"] = defaults | before.get("options", {})
    differing = [name for name in _IDENTITY if before.get(name) != record[name]]
    if differing:
        name = differing[0]
        raise UserError(
            f"{path}: holds tries with {name} `{before.get(name)}`, and now it is `{record[name]}`. "
            "They do not mix: give another --out, or remove that file and the .jsonl beside it."
        )


def _missing(asked: Measurement, contract: EnvironmentSpec, have: Sequence[Trial]) -> dict[int, list[Start]]:
    """Task -> the starts that nobody has tried."""
    wrong = [task for task in asked.tasks if not 0 <= task < len(contract.tasks)]
    if wrong:
        raise UserError(f"--tasks: {wrong[0]}: {contract.suite} has tasks 0-{len(contract.tasks) - 1}")
    first, stop = contract.splits[asked.split]
    if asked.starts > stop - first:
        raise UserError(f"--starts: {asked.starts}: the {asked.split} split has {stop - first} starts")
    tried = {(one.task, one.index) for one in have}
    wanted = {
        task: [Start(task, index) for index in range(first, first + asked.starts) if (task, index) not in tried]
        for task in asked.tasks or range(len(contract.tasks))
    }
    return {task: starts for task, starts in wanted.items() if starts}


def _batches(starts: Sequence[Start], pool: Pool) -> list[Sequence[Start]]:
    """What the pool plays at once, so that little is lost by an interruption."""
    return [starts[first : first + pool.workers] for first in range(0, len(starts), pool.workers)]


def _try(pool: Pool, starts: Sequence[Start], seed: int) -> list[Trial]:
    before = _cpu(pool)
    shown = pool.demonstrate(starts, seed)
    spent = (_cpu(pool) - before) / len(starts)
    return [
        Trial(start.task, start.index, one is not None, None if one is None else len(one.actions), round(spent, 3))
        for start, one in zip(starts, shown, strict=True)
    ]


def _cpu(pool: Pool) -> float:
    """CPU seconds that the environment has spent on its activities."""
    return sum(value for name, value in pool.seconds.items() if name.startswith("cpu:") and name != "cpu:transfer")
