"""``pushcut.md``, ``pushcut.json``, ``pushcut.png`` and the films: one report of a suite's, or a run's, behaviours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vla_rl_bench.analysis.statistics.intervals import percent, wilson
from vla_rl_bench.analysis.statistics.verdict import points
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.files import write_json, write_text
from vla_rl_bench.pushcut.counts import Section, Stage, read_sections
from vla_rl_bench.pushcut.replay import Film, failures, write_films
from vla_rl_bench.pushcut.verdict import Verdict, mean_share, verdicts

NAME = "pushcut"
LEGEND = (
    "Of the successes of each stage, the share done in each way, in %, with Wilson's 95% interval (successes taken as "
    "independent: of these policies) and counts over all seeds. Rollouts of an iteration are those of the policy "
    "before its update, at the rollout's temperature; evaluations are as the suite's table has them."
)


@dataclass(frozen=True)
class Told:
    """A section with what there is to say of it."""

    section: Section
    verdicts: Sequence[Verdict]
    films: Sequence[Film]


def write_report(folder: Path, out: Path, catalog: Catalog, films: int) -> list[Path]:
    """folder: a suite's or a run's.  -> what was written, the page first."""
    from vla_rl_bench.analysis.plots.shares import draw_shares

    sections = read_sections(folder, catalog)
    told = [Told(one, verdicts(one), write_films(one, out, catalog, films)) for one in sections]
    page, picture, data = (out / f"{NAME}.{extension}" for extension in ("md", "png", "json"))
    drawn = draw_shares([panel(one) for one in sections if one.rollouts], picture)
    write_text(page, markdown(told, picture.name if drawn else None))
    write_json(data, {"sections": [plain(one) for one in told], "picture": picture.name if drawn else None})
    return [page, *([picture] if drawn else []), data, *(out / film.file for one in told for film in one.films)]


def markdown(told: Sequence[Told], picture: str | None) -> str:
    parts = ["# How successes come about", LEGEND]
    parts += [f"![shares of successes over RL iterations]({picture})"] if picture else []
    for one in told:
        parts += [f"## {one.section.column}: {one.section.title.strip()}", _table(one.section), *_words(one)]
        parts += [f"![{film.caption}]({film.file})" for film in one.films]
    return "\n\n".join(parts) + "\n"


def _table(section: Section) -> str:
    stages = section.stages
    rows = [["", *(stage.title for stage in stages)]]
    rows += [[f"`{name}`", *(_cell(section, stage, name) for stage in stages)] for name in section.behaviours]
    rows.append(["successes / episodes", *(_successes(section, stage) for stage in stages)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join(f"| {line} |" if number else f"| {line} |\n|{rule}|" for number, line in enumerate(lines))


def _cell(section: Section, stage: Stage, behaviour: str) -> str:
    k, n = stage.count(behaviour)
    if not n:
        return "no success"
    if stage is section.demonstrations:
        return f"{percent(k, n)} ({k}/{n})"
    interval = wilson(k, n)
    return f"{percent(k, n)} [{points(interval.low)}, {points(interval.high)}] ({k}/{n})"


def _successes(section: Section, stage: Stage) -> str:
    total = sum(seen.total for seen in stage.by_seed.values())
    return "" if stage is section.demonstrations else f"{percent(total, stage.episodes)} ({total}/{stage.episodes})"


def _words(told: Told) -> list[str]:
    section = told.section
    if section.demonstrations is None:
        return ["What the demonstrations did was not recorded, so whether anything is new cannot be said."]
    said = [f"- {one.sentence}" for one in told.verdicts]
    if not said:
        said = [f"- Every success is done in a way that the {section.demonstrations.episodes} demonstrations show."]
    said += [f"- {film.file}: the replay did not do what was recorded." for film in failures(told.films)]
    return ["\n".join(said)]


def panel(section: Section) -> Any:
    """What the picture shows of a section."""
    from vla_rl_bench.analysis.plots.shares import Panel

    order = [*section.new, *(name for name in section.behaviours if name not in section.new)]
    ends = [("before", section.before), ("after", section.after)]
    return Panel(
        title=f"{section.column}: {section.title.strip()}",
        behaviours=tuple(order),
        new=frozenset(section.new),
        seeds=len(section.runs),
        rollouts={number - 1: _shares(stage, order) for number, stage in section.rollouts.items()},
        ends={name: (stage.title, _shares(stage, order)) for name, stage in ends if stage is not None},
    )


def _shares(stage: Stage, order: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """A row a seed that had successes, a share a behaviour."""
    return tuple(
        tuple(seen.successes.get(name, 0) / seen.total for name in order)
        for seen in stage.by_seed.values()
        if seen.total
    )


def plain(told: Told) -> dict[str, Any]:
    """Everything, as plain data; shares are rates in [0, 1]."""
    section = told.section
    return {
        "arm": section.arm,
        "title": section.title.strip(),
        "column": section.column,
        "seeds": [run["seed"] for _, run in section.runs],
        "behaviours": section.behaviours,
        "new": section.new if section.demonstrations else None,
        "stages": [_plain_stage(stage) for stage in section.stages],
        "rollouts": [
            {
                "iteration": number,
                "shares": {name: mean_share(stage, name) for name in section.behaviours},
                "successes": {name: stage.count(name)[0] for name in section.behaviours},
                "episodes": stage.episodes,
            }
            for number, stage in section.rollouts.items()
        ],
        "verdicts": [asdict(one) for one in told.verdicts],
        "films": [
            {
                "file": film.file,
                "caption": film.caption,
                "behaviour": film.first.behaviour,
                "seed": film.seed,
                "iteration": film.first.iteration,
                "start": asdict(film.first.start),
                "replayed": film not in failures([film]),
            }
            for film in told.films
        ],
    }


def _plain_stage(stage: Stage) -> dict[str, Any]:
    return {
        "title": stage.title,
        "by_seed": {
            str(seed): {"successes": dict(seen.successes), "episodes": seen.episodes}
            for seed, seen in stage.by_seed.items()
        },
    }
