"""Greedy episodes of a trained run, played again for the camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import MAIN, Suite
from vla_rl_bench.files import Record, read_json_lines
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.scheduler import film, film_expert
from vla_rl_bench.suite.job import RunJob, run_path
from vla_rl_bench.suite.plan import Run
from vla_rl_bench.suite.workshop import RunSession
from vla_rl_bench.types import ImageArray, Start


@dataclass(frozen=True)
class Filmed:
    """One episode.  frames: uint8 ``[H, W, 3]``, the start included, then one a step."""

    frames: list[ImageArray]
    success: bool


def film_starts(
    suite: Suite, run: Run, folder: Path, catalog: Catalog, starts: Sequence[Start]
) -> Iterator[tuple[Start, Filmed]]:
    """Play each start once with the run's policy, one after the other in one environment.

    A start from which an expert, as the policy, fails has no film and is left out.

    folder: the suite's.  The policy must be there (`RunFolder.policy_path`), and what the environment needs installed:
    else `UserError`.
    """
    workshop = RunSession(RunJob(suite, run, folder, None), catalog, _silent)
    try:
        policy = workshop.trained_policy()  # before the film's pool: the workshop keeps one open
        pool = workshop.pool(suite.film.environment if suite.film else None)
        for start in starts:
            filmed = film(pool, Actor(policy, None), start) if policy else film_expert(pool, start, run.seed)
            if filmed is not None:
                yield start, Filmed(*filmed)
    finally:
        workshop.close()


def greedy_episodes(folder: Path, run_id: str) -> list[Record]:
    """The run's recorded episodes of the main evaluation, greedy, after training; in the order played."""
    return [
        record
        for record in read_json_lines(RunFolder(run_path(folder, run_id)).episodes_path)
        if record["evaluation"] == MAIN and record["iteration"] is None and record["sampling"] == "greedy"
    ]


def _silent(run: str, stage: str, done: int, total: int) -> None:
    """Nobody watches."""
