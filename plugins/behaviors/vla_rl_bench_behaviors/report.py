"""The report of a suite's or a run's behaviors: ``behaviors.md``, ``.json``, ``.png`` and films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vla_rl_bench.analysis.statistics.intervals import interval_text, percent_text, wilson
from vla_rl_bench.analysis.tables.markdown import grid
from vla_rl_bench.files import write_json, write_text
from vla_rl_bench_behaviors.phases import ArmBehaviors, TrainingPhase, read_arms
from vla_rl_bench_behaviors.replay import Film, write_films
from vla_rl_bench_behaviors.verdict import Verdict, verdicts

LEGEND = (
    "Share of each behavior among the successes of each phase, in %, with Wilson's 95% interval (successes taken as "
    "independent; of these policies) and counts over all seeds. Rollouts are played by the policy before the "
    "iteration's update, at the rollout temperature; evaluations are those of the suite's table."
)
NO_DEMONSTRATIONS = "The behaviors of the demonstrations are not recorded, so no behavior can be called new."
NO_ROLLOUTS = (
    "The behaviors of the rollouts are not recorded. Add `trackers: [{name: behaviors}]` to the suite before it runs."
)


@dataclass(frozen=True)
class ArmReport:
    """An arm's behaviors, with verdicts on the new ones and films of them."""

    arm: ArmBehaviors
    verdicts: Sequence[Verdict]
    films: Sequence[Film]


def write_report(folder: Path, out: Path, films: int) -> list[Path]:
    """Write the report on a suite's or a run's folder -> its files, the text first."""
    from vla_rl_bench_behaviors.plot import draw_shares

    arms = read_arms(folder)
    reports = [ArmReport(arm, verdicts(arm), write_films(arm, out, films)) for arm in arms]
    text, data = out / "behaviors.md", out / "behaviors.json"
    plot = draw_shares(arms, out / "behaviors.png")
    write_text(text, _markdown(reports, plot))
    write_json(data, {"arms": [_as_json(report) for report in reports], "plot": plot.name if plot else None})
    return [text, *([plot] if plot else []), data, *(out / film.file for report in reports for film in report.films)]


def _markdown(reports: Sequence[ArmReport], plot: Path | None) -> str:
    parts = ["# Behaviors of successful episodes", LEGEND]
    if plot:
        parts.append(f"![shares of successes over RL iterations]({plot.name})")
    for report in reports:
        arm = report.arm
        parts += [f"## {arm.column}: {arm.title}", "\n".join(grid(_table(arm))), "\n".join(_statements(report))]
        parts += [f"![{film.caption}]({film.file})" for film in report.films]
    return "\n\n".join(parts) + "\n"


def _table(arm: ArmBehaviors) -> list[list[str]]:
    rows = [["", *(phase.title for phase in arm.phases)]]
    rows += [[f"`{name}`", *(_cell(arm, phase, name) for phase in arm.phases)] for name in arm.behaviors]
    totals = [
        f"{percent_text(phase.total, phase.episodes)} ({phase.total}/{phase.episodes})"
        for phase in arm.phases
        if phase is not arm.demonstrations
    ]
    if arm.demonstrations:
        totals.insert(0, "")
    return [*rows, ["successes / episodes", *totals]]


def _cell(arm: ArmBehaviors, phase: TrainingPhase, behavior: str) -> str:
    k, n = phase.successes(behavior), phase.total
    if not n:
        return "no success"
    bounds = "" if phase is arm.demonstrations else f" {interval_text(wilson(k, n))}"
    return f"{percent_text(k, n)}{bounds} ({k}/{n})"


def _statements(report: ArmReport) -> list[str]:
    arm = report.arm
    statements = [f"- {verdict.sentence}" for verdict in report.verdicts]
    if arm.demonstrations is None:
        statements.append(f"- {NO_DEMONSTRATIONS}")
    elif not statements:
        statements.append(f"- Every behavior of a success is in the {arm.demonstrations.episodes} demonstrations.")
    if not arm.rollouts:
        statements.append(f"- {NO_ROLLOUTS}")
    return statements + [
        f"- {film.file}: the replay differs from the recorded episode." for film in report.films if not film.as_recorded
    ]


def _as_json(report: ArmReport) -> dict[str, Any]:
    """Convert to counts and verdicts in plain data; the changes of shares are rates."""
    arm = report.arm
    return {
        "arm": arm.arm,
        "title": arm.title,
        "column": arm.column,
        "seeds": [run["seed"] for _, run in arm.runs],
        "new": arm.new if arm.demonstrations else None,
        "phases": [asdict(phase) for phase in arm.phases],
        "rollouts": [{"iteration": number, **asdict(phase)} for number, phase in arm.rollouts.items()],
        "verdicts": [asdict(verdict) for verdict in report.verdicts],
        "films": [asdict(film) for film in report.films],
    }
