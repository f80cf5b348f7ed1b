"""Which recorded episodes are shown: chosen by a rule, without looking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vla_rl_bench.analysis.report.palette import Arm, arms
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.files import Record
from vla_rl_bench.suite.filming import greedy_episodes
from vla_rl_bench.types import Start


@dataclass(frozen=True)
class Shot:
    """An episode that was recorded.  clip: its film, once there is one; replayed: whether the replay succeeded.
    steps: 0 where they are not known, as of an expert that failed.

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


def choose(evidence: Evidence, count: int) -> list[Shot]:
    """`count` successes and as many failures of each arm in each column."""
    return [
        shot
        for column in evidence.suite.columns
        for arm in arms(evidence.suite)
        for success in (True, False)
        for shot in _choose(evidence, arm, column, success, count)
    ]


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
            steps=one["steps"] or 0,
        )


def _in_turn(records: Sequence[Record], success: bool) -> list[Record]:
    """One of each task, then the next of each."""
    place: dict[int, int] = {}
    ranked = []
    for one in sorted((one for one in records if one["success"] == success), key=lambda one: one["start"]):
        place[one["task"]] = place.get(one["task"], -1) + 1
        ranked.append((place[one["task"]], one["task"], one["start"], one))
    return [one for *_, one in sorted(ranked, key=lambda found: found[:3])]
