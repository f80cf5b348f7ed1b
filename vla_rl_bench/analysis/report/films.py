"""Recorded episodes, played again once for the page and kept in the suite's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from vla_rl_bench.analysis.plots.clip import write_clip
from vla_rl_bench.analysis.report.shots import Shot, choose
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.catalog import discover
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.files import read_json, write_json
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.filming import film_starts
from vla_rl_bench.suite.job import run_path
from vla_rl_bench.suite.plan import Run, digest

Say = Callable[[str], None]


def films(evidence: Evidence, count: int, say: Say) -> list[Shot]:
    """`count` successes and as many failures of each arm in each column; nothing is filmed twice."""
    shots = choose(evidence, count)
    filmed = {shot: _kept(evidence, shot) for shot in shots}
    todo = [shot for shot in shots if shot.start and filmed[shot].clip is None]
    for number, run in enumerate(dict.fromkeys(shot.run for shot in todo)):
        say(f"filming {run} ({number + 1} of {len({shot.run for shot in todo})} runs)")
        of_run = [shot for shot in todo if shot.run == run]
        reason = _film(evidence, run, of_run)
        filmed |= {shot: _kept(evidence, shot) if not reason else replace(shot, reason=reason) for shot in of_run}
    return [filmed[shot] for shot in shots]


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
    recorded: dict[str, Any] = {field.name: evidence.runs[run_id].get(field.name) for field in fields(Run)}
    run = Run(**recorded)
    try:
        for start, filmed in film_starts(evidence.suite, run, evidence.folder, discover(), list(by_start)):
            clip = write_clip(filmed.frames, _path(evidence, by_start[start]))
            conditions = {"conditions": _conditions(evidence), "success": filmed.success}
            write_json(clip.with_suffix(".json"), conditions | {"steps": len(filmed.frames) - 1})
    except (UserError, EnvironmentFailure, OSError) as error:
        return f"could not be filmed here: {str(error).strip().splitlines()[-1]}"
    return ""
