"""Real episodes for the page: chosen from the records, played again once, kept in the suite's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.pictures.clip import write_clip
from vla_rl_bench.report.palette import Arm, arms
from vla_rl_bench.report.sources import Evidence
from vla_rl_bench.results.store import Record, RunFolder, read_json, write_json
from vla_rl_bench.suite.filming import film_starts, greedy_episodes
from vla_rl_bench.suite.job import run_path
from vla_rl_bench.suite.plan import Run, digest
from vla_rl_bench.types import Start

Say = Callable[[str], None]


@dataclass(frozen=True)
class Shot:
    """An episode that was recorded.  clip: its film, once there is one; replayed: whether the replay succeeded.

    Without an episode or a film, reason says why.
    """

    arm: Arm
    column: str
    success: bool
    run: str = ""
    seed: int = 0
    start: Start | None = None
    instruction: str = ""
    steps: int = 0
    clip: Path | None = None
    replayed: bool | None = None
    reason: str = ""

    @property
    def kind(self) -> str:
        return "success" if self.success else "failure"


def films(evidence: Evidence, count: int, say: Say) -> list[Shot]:
    """`count` successes and as many failures of each arm in each column; nothing is filmed twice."""
    shots = [
        shot
        for column in evidence.suite.columns
        for arm in arms(evidence.suite)
        for success in (True, False)
        for shot in _choose(evidence, arm, column, success, count)
    ]
    filmed = {shot: _kept(evidence, shot) for shot in shots}
    todo = [shot for shot in shots if shot.start and filmed[shot].clip is None]
    for number, run in enumerate(dict.fromkeys(shot.run for shot in todo)):
        say(f"filming {run} ({number + 1} of {len({shot.run for shot in todo})} runs)")
        of_run = [shot for shot in todo if shot.run == run]
        reason = _film(evidence, run, of_run)
        filmed |= {shot: _kept(evidence, shot) if not reason else replace(shot, reason=reason) for shot in of_run}
    return [filmed[shot] for shot in shots]


def _choose(evidence: Evidence, arm: Arm, column: str, success: bool, count: int) -> Iterator[Shot]:
    """Without looking: of the first seed that has any, the first start of each task, then the second of each."""
    shot = Shot(arm, column, success)
    runs = evidence.of(arm.name, column)
    records = [(run, greedy_episodes(evidence.folder, run["id"])) for run in runs]
    if not any(found for _, found in records):
        yield replace(shot, reason="no complete run" if not runs else "no greedy episode was recorded")
        return
    wanted = [(run, one) for run, found in records for one in _in_turn(found, success)]
    if not wanted:
        tried = sum(len(found) for _, found in records)
        yield replace(shot, reason=f"none of the {tried} recorded episodes is a {shot.kind}")
    instructions = evidence.instructions(column)
    for run, one in wanted[:count]:
        task = one["task"]
        title = instructions[task] if task < len(instructions) else f"task {task}"
        yield replace(
            shot,
            run=run["id"],
            seed=run["seed"],
            start=Start(task, one["start"]),
            instruction=title,
            steps=one["steps"],
        )


def _in_turn(records: Sequence[Record], success: bool) -> list[Record]:
    """One of each task, then the next of each."""
    place: dict[int, int] = {}
    ranked = []
    for one in sorted((one for one in records if one["success"] == success), key=lambda one: one["start"]):
        place[one["task"]] = place.get(one["task"], -1) + 1
        ranked.append((place[one["task"]], one["task"], one["start"], one))
    return [one for *_, one in sorted(ranked, key=lambda found: found[:3])]


def _path(evidence: Evidence, shot: Shot) -> Path:
    assert shot.start is not None
    return evidence.folder / "films" / f"{shot.run}-t{shot.start.task}-s{shot.start.index}.webp"


def _conditions(evidence: Evidence) -> str:
    film = evidence.suite.film
    return digest([evidence.suite.environment.model_dump(mode="json"), film.environment if film else {}])


def _kept(evidence: Evidence, shot: Shot) -> Shot:
    """The shot with its film, if it was made before under these conditions."""
    if shot.start is None:
        return shot
    clip = _path(evidence, shot)
    record = clip.with_suffix(".json")
    try:
        known = read_json(record) if clip.is_file() else {}
    except (OSError, ValueError):
        known = {}
    if known.get("conditions") != _conditions(evidence):
        return shot
    return replace(shot, clip=clip, replayed=bool(known["success"]))


def _film(evidence: Evidence, run_id: str, shots: Sequence[Shot]) -> str:
    """Write the films and what came out -> why there are none, or nothing.  The record vouches for the film."""
    if not RunFolder(run_path(evidence.folder, run_id)).policy_path.is_file():
        return "the run's policy is not there, only its records"
    by_start = {shot.start: shot for shot in shots if shot.start}
    record = evidence.runs[run_id]
    run = Run(**{field.name: record.get(field.name) for field in fields(Run)})
    try:
        for start, filmed in film_starts(evidence.suite, run, evidence.folder, _catalog(), list(by_start)):
            clip = write_clip(filmed.frames, _path(evidence, by_start[start]))
            conditions = {"conditions": _conditions(evidence), "success": filmed.success}
            write_json(clip.with_suffix(".json"), conditions | {"steps": len(filmed.frames) - 1})
    except (UserError, EnvironmentFailure, OSError) as error:
        return f"could not be filmed here: {str(error).strip().splitlines()[-1]}"
    return ""


def _catalog() -> Catalog:
    return discover()
