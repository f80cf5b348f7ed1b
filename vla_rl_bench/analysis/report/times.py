"""Where the time went: stages of a run from ``run.json``, activities of RL from ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vla_rl_bench.analysis.report.palette import Arm, activity, arms, stage
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.engine.iteration_times import SHOWN
from vla_rl_bench.files import Record

Line = Mapping[Any, Any]
"""An iteration's metrics, or a part of them."""


@dataclass(frozen=True)
class Share:
    """A part of a bar.  percent: of the whole; seconds: summed over the arm's runs."""

    name: str
    colour: str
    seconds: float
    percent: float


@dataclass(frozen=True)
class Spent:
    """An arm.  runs: how many recorded their time; total: their seconds; empty with a reason where nothing is known."""

    arm: Arm
    runs: int
    total: float
    shares: tuple[Share, ...]
    reason: str = ""

    @property
    def by_name(self) -> dict[str, Share]:
        return {share.name: share for share in self.shares}


@dataclass(frozen=True)
class Rollouts:
    """An arm's RL.  wall, cpu: summed over its runs' iterations; figures: (what, value) pairs in words."""

    arm: Arm
    wall: Spent
    cpu: Spent
    figures: tuple[tuple[str, str], ...]


def stages(evidence: Evidence) -> list[Spent]:
    """Each arm's runs: demonstrations, SFT, RL, evaluation, and what is none of these."""
    return [_stages(arm, evidence.of(arm.name)) for arm in arms(evidence.suite)]


def _stages(arm: Arm, runs: Sequence[Record]) -> Spent:
    timed = [run["timings"] for run in runs if run.get("timings")]
    if not timed:
        return Spent(arm, 0, 0.0, (), "no complete run" if not runs else "the runs recorded no time")
    summed = {name: sum(one.get(f"{name}_seconds", 0.0) for one in timed) for name in _RECORDED}
    parts = {
        "demonstrations": summed["demonstration"],
        "SFT": max(0.0, summed["sft"] - summed["demonstration"]),  # SFT waits for its demonstrations
        "RL": summed["rl"],
        "evaluation": summed["evaluation"],
    }
    parts["start and end"] = max(0.0, summed["wall"] - sum(parts.values()))
    return _spent(arm, len(timed), {name: (stage(name), seconds) for name, seconds in parts.items()})


_RECORDED = ("demonstration", "sft", "rl", "evaluation", "wall")


def rollouts(evidence: Evidence) -> list[Rollouts]:
    """Arms with RL, as far as their iterations were recorded."""
    metrics = evidence.metrics
    if "seconds" not in metrics:
        return []
    trained = {arm.name for arm in evidence.suite.arms if arm.rl}
    found = []
    for arm in arms(evidence.suite):
        lines = metrics[(metrics["arm"] == arm.name) & metrics["seconds"].notna()]
        if arm.name in trained and len(lines):
            found.append(_rollouts(arm, lines.to_dict("records"), lines["run"].nunique()))
    return found


def _rollouts(arm: Arm, lines: Sequence[Line], runs: int) -> Rollouts:
    wall, cpu = (_activities(arm, runs, lines, kind) for kind in ("seconds", "cpu_seconds"))
    drawn, kept, chunks, wasted = (_total(lines, name) for name in ("drawn", "kept", "chunks", "wasted_chunks"))
    spent = _total([_nested(line, "seconds") for line in lines], "rollout_wall", "update")
    figures = [
        ("iterations", f"{len(lines):,} in {runs} runs"),
        ("groups kept", f"{kept:,.0f} of {drawn:,.0f}"),
        ("chunks a second", f"{chunks / spent:,.0f}" if spent else "–"),
        ("chunks played for nothing", f"{wasted:,.0f} of {chunks + wasted:,.0f}"),
    ]
    return Rollouts(arm, wall, cpu, tuple(figures))


def _activities(arm: Arm, runs: int, lines: Sequence[Line], kind: str) -> Spent:
    """Idle has no CPU seconds."""
    names = [name for name in SHOWN if kind == "seconds" or name != "idle"]
    seconds = {name: _total([_nested(line, kind) for line in lines], name) for name in names}
    return _spent(arm, runs, {name: (activity(name), value) for name, value in seconds.items()})


def _nested(line: Line, kind: str) -> Line:
    value = line.get(kind)
    return value if isinstance(value, Mapping) else {}


def _total(lines: Sequence[Line], *names: str) -> float:
    values = (line.get(name) for line in lines for name in names)
    return sum(float(value) for value in values if isinstance(value, (int, float)) and value == value)


def _spent(arm: Arm, runs: int, parts: Mapping[str, tuple[str, float]]) -> Spent:
    total = sum(seconds for _, seconds in parts.values())
    shares = tuple(
        Share(name, colour, seconds, 100 * seconds / total) for name, (colour, seconds) in parts.items() if seconds > 0
    )
    return Spent(arm, runs, total, shares)


def spoken(seconds: float) -> str:
    """``38 s``, ``12.4 min``, ``3.1 h``."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"
