"""Films of the first novel successes: their actions are executed again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.catalog import discover
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.suite.session import open_recorded
from vla_rl_bench.types import ImageArray
from vla_rl_bench_behaviors.phases import ArmBehaviors
from vla_rl_bench_behaviors.records import NovelSuccess, classifier, file_stem, read_successes


@dataclass(frozen=True)
class Film:
    """A film of a novel success that was replayed."""

    file: str
    caption: str
    as_recorded: bool  # the replay succeeded with the recorded behavior


def write_films(arm: ArmBehaviors, out: Path, limit: int) -> list[Film]:
    """Write the earliest successes of each new behavior as GIFs, at most `limit` of each."""
    chosen = _earliest(arm, limit)
    if not chosen:
        return []
    from vla_rl_bench.analysis.plots.video import write_film

    films = []
    classify = classifier(arm.runs[0][1]["recipe"]["environment"]["name"])
    with open_recorded(arm.runs[0][0], discover()) as session:
        pool = session.pool()
        for number, seed, recorded in chosen:
            frames, success, events = replay(pool, recorded)
            outcome = f"success at step {len(frames) - 1}" if success else "REPLAY DID NOT SUCCEED"
            film = Film(
                file=f"behaviors-{arm.arm}-{arm.column}-{file_stem(recorded.behavior)}-{number}.gif",
                caption=f"{recorded.behavior}, iteration {recorded.iteration}, seed {seed}: {outcome}",
                as_recorded=success and classify(events) == recorded.behavior,
            )
            write_film(frames, out / film.file, film.caption)
            films.append(film)
    return films


def replay(pool: Pool, recorded: NovelSuccess) -> tuple[list[ImageArray], bool, list[str]]:
    """Execute the recorded actions -> a frame uint8 ``[H, W, 3]`` per step and one before, success, events."""
    pool.reset(0, recorded.start)
    pool.wait()
    frames, events, success = [pool.film(0)], list[str](), False
    for action in recorded.actions:
        pool.step(0, action[None])
        result = pool.wait()[0].result
        assert result is not None
        frames.append(pool.film(0))
        events += result.events
        success = result.success
        if result.done:
            break
    return frames, success, events


def _earliest(arm: ArmBehaviors, limit: int) -> list[tuple[int, int, NovelSuccess]]:
    """Choose (number, seed, success): first the first one of each seed, by iteration, then the second ones."""
    chosen = []
    for behavior in arm.new:
        candidates = []
        for path, run in arm.runs:
            successes = [success for success in read_successes(path) if success.behavior == behavior]
            candidates += [
                (rank, success.iteration, success.group, run["seed"], success) for rank, success in enumerate(successes)
            ]
        ordered = sorted(candidates, key=lambda candidate: candidate[:4])[:limit]
        chosen += [(number, seed, success) for number, (*_, seed, success) in enumerate(ordered, 1)]
    return chosen
