"""Films of episodes of a trained run, played again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import GREEDY, MAIN, Suite
from vla_rl_bench.files import Record, read_json_lines
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.scheduler import film, film_expert
from vla_rl_bench.suite.plan import Run, evaluation_names, run_path
from vla_rl_bench.suite.session import open_session
from vla_rl_bench.types import ImageArray, Start


@dataclass(frozen=True)
class Filmed:
    """One filmed episode."""

    frames: list[ImageArray]  # uint8 [H, W, 3]: the start, then one a step
    success: bool


def film_starts(
    suite: Suite, run: Run, folder: Path, catalog: Catalog, starts: Sequence[Start]
) -> Iterator[tuple[Start, Filmed]]:
    """Play each start once, greedily, with the run's policy, one after the other in one environment.

    A start from which an expert, as the policy, fails has no film and is left out.

    Args:
        suite: The run's suite.
        run: A run whose policy was kept (`RunFolder.policy_path`).
        folder: The suite's folder.
        catalog: The installed plugins.
        starts: The starts to play.
    """
    with open_session(suite, run, catalog, folder) as session:
        policy = session.trained_policy  # before the film's pool is opened: one is open at a time
        pool = session.pool(suite.film.environment if suite.film else None)
        for start in starts:
            filmed = film(pool, Actor(policy, None), start) if policy else film_expert(pool, start, run.seed)
            if filmed is not None:
                yield start, Filmed(*filmed)


def greedy_episodes(suite: Suite, folder: Path, run_id: str) -> list[Record]:
    """Read the run's greedy episodes of the suite's own evaluation after training, in the order played."""
    run = RunFolder(run_path(folder, run_id))
    names = evaluation_names(suite, run.read())
    return [
        record
        for record in read_json_lines(run.episodes_path)
        if record["iteration"] is None
        and record["sampling"] == GREEDY
        and (record["evaluation"] if names is None else names.get(f"{record['evaluation']}/{GREEDY}")) == MAIN
    ]
