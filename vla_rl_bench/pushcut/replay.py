"""First successes with a behaviour that no demonstration has, played again before a camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vla_rl_bench.catalog import Catalog, make_options
from vla_rl_bench.files import Record
from vla_rl_bench.pushcut.counts import Section
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.results import firsts
from vla_rl_bench.results.behaviours import Label, labels_of
from vla_rl_bench.results.firsts import First, file_stem
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.types import ImageArray


@dataclass(frozen=True)
class Film:
    """A first success on film.  success, behaviour: of the replay, which should be those of then."""

    file: str
    first: First
    seed: int
    success: bool
    behaviour: str
    steps: int

    @property
    def caption(self) -> str:
        end = f"success at step {self.steps}" if self.success else "REPLAY DID NOT SUCCEED"
        return f"{self.first.behaviour}, iteration {self.first.iteration}, seed {self.seed}: {end}"


def write_films(section: Section, out: Path, catalog: Catalog, most: int) -> list[Film]:
    """At most so many films of each behaviour, the earliest of all seeds, as GIFs in `out`."""
    chosen = _earliest(section, most)
    if not chosen:
        return []
    entry = catalog.environment(section.runs[0][1]["environment"]["name"])
    with _pool(section.runs[0], catalog) as pool:
        return [_write(section, out, pool, labels_of(entry), *one) for one in chosen]


def replay(pool: Pool, first: First) -> tuple[list[ImageArray], bool, tuple[str, ...]]:
    """Every frame uint8 ``[H, W, 3]``, the start included; whether it succeeded; its events."""
    pool.reset(0, first.start)
    pool.wait()
    frames, events = [pool.film(0)], list[str]()
    for action in first.actions:
        pool.step(0, action[None])
        result = pool.wait()[0].result
        assert result is not None
        frames.append(pool.film(0))
        events += result.events
        if result.done:
            return frames, result.success, tuple(events)
    return frames, False, tuple(events)


def _earliest(section: Section, most: int) -> list[tuple[int, int, First]]:
    """(number among its behaviour's, seed, first): each seed's first, the earliest ahead, then each seed's second."""
    kept = {run["seed"]: firsts.read(RunFolder(path)) for path, run in section.runs}
    chosen = []
    for behaviour in section.new:
        of_it = [
            (place, one.iteration, one.group, seed, one)
            for seed, found in kept.items()
            for place, one in enumerate(one for one in found if one.behaviour == behaviour)
        ]
        ordered = sorted(of_it, key=lambda it: it[:4])[:most]
        chosen += [(number, seed, one) for number, (_, _, _, seed, one) in enumerate(ordered, 1)]
    return chosen


def _write(section: Section, out: Path, pool: Pool, label: Label, number: int, seed: int, first: First) -> Film:
    from vla_rl_bench.analysis.plots.film import write_film

    frames, success, events = replay(pool, first)
    name = f"pushcut-{section.arm}-{section.column}-{file_stem(first.behaviour)}-{number}.gif"
    film = Film(name, first, seed, success, label(events), len(frames) - 1)
    write_film(frames, out / name, film.caption)
    return film


@contextmanager
def _pool(run: tuple[Path, Record], catalog: Catalog) -> Iterator[Pool]:
    """One slot of the environment that the run had."""
    path, record = run
    named: dict[str, Any] = dict(record["recipe"]["environment"])
    entry = catalog.environment(named["name"])
    catalog.require(entry)
    options = make_options(
        entry.options, {key: value for key, value in named.items() if key not in ("name", "starts")}, named["name"]
    )
    task_suite = record["recipe"].get("task_suite", record["column"])
    pool = open_pool(entry, task_suite, options, slots=1, workers=0, python=RunFolder(path).worker_python())
    try:
        yield pool
    finally:
        pool.close()


def failures(films: Sequence[Film]) -> list[Film]:
    """Replays that did not do what was recorded."""
    return [film for film in films if not film.success or film.behaviour != film.first.behaviour]
