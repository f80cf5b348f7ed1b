"""What the template of a suite asks for, in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vla_rl_bench.analysis.report import documents, headline, lines, outcomes, palette, provenance, tabled, times
from vla_rl_bench.analysis.report.documents import Document
from vla_rl_bench.analysis.report.embed import Album, Picture, further_pictures
from vla_rl_bench.analysis.report.shots import Shot
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.config.schema import Suite

TOOLTIPS = 20_000  # cells of maps at most that say what they are when pointed at
_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # shown if any of these is there
    ("tables", "Results", ()),
    ("ablation", "Ablation", ("ablation", "ablation_pictures")),
    ("curves", "Learning curves", ("panels",)),
    ("tasks", "Success by task", ()),
    ("starts", "Success by start", ()),
    ("films", "Films", ("films",)),
    ("more", "Further reports", ("documents", "pictures")),
    ("times", "Where the time went", ()),
    ("provenance", "Provenance", ()),
)


@dataclass(frozen=True)
class View:
    """A suite.  prefix: begins its anchors.  tables and the like: HTML.  missing: ids of runs, and what became of them.

    detailed: whether cells of maps say what they are.  films: by column, each with its picture if there is one.
    """

    prefix: str
    suite: Suite
    asked: str
    scope: str
    keys: list[headline.Key]
    planned: int
    missing: dict[str, str]
    arms: list[palette.Arm]
    tables: list[str]
    further_tables: list[str]
    ablation: list[Document]
    ablation_pictures: list[Picture]
    panels: list[lines.Panel]
    outcomes: list[outcomes.ColumnOutcomes]
    detailed: bool
    films: list[list[tuple[Shot, Picture | None]]]
    documents: list[Document]
    pictures: list[Picture]
    stages: list[times.Spent]
    rollouts: list[times.Rollouts]
    shared: provenance.Facts
    runs: list[provenance.RunFacts]
    resolved: str

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The anchors and names of what the suite has."""
        return [(anchor, name) for anchor, name, of in _SECTIONS if not of or any(getattr(self, one) for one in of)]


def view(prefix: str, evidence: Evidence, shots: Sequence[Shot], album: Album) -> View:
    """album: takes the pictures, then the films, as far as they fit."""
    main, *others = tabled.of_suite(evidence)
    by_column = outcomes.outcomes(evidence)
    texts = documents.found(evidence.folder)
    shown = {path for text in texts for path in documents.pictures_in(text)}
    paths = [path for path in further_pictures(evidence.folder) if path not in shown]
    of_ablation = [path for path in [*texts, *paths] if path.stem.startswith(documents.ABLATION)]
    return View(
        prefix=prefix,
        suite=evidence.suite,
        asked=headline.asked(evidence),
        scope=headline.scope(main),
        keys=headline.keys(evidence, main),
        planned=len(evidence.planned),
        missing=evidence.missing,
        arms=palette.arms(evidence.suite),
        tables=tabled.as_html([main], prefix),
        further_tables=tabled.as_html(others, prefix),
        ablation=[documents.read(text, album) for text in texts if text in of_ablation],
        ablation_pictures=album.pictures([path for path in paths if path in of_ablation]),
        panels=lines.panels(evidence),
        outcomes=by_column,
        detailed=sum(one.cells for one in by_column) <= TOOLTIPS,
        films=_films(evidence.suite, shots, album),
        documents=[documents.read(text, album) for text in texts if text not in of_ablation],
        pictures=album.pictures([path for path in paths if path not in of_ablation]),
        stages=times.stages(evidence),
        rollouts=times.rollouts(evidence),
        shared=provenance.shared(evidence),
        runs=provenance.each(evidence),
        resolved=provenance.resolved(evidence),
    )


def _films(suite: Suite, shots: Sequence[Shot], album: Album) -> list[list[tuple[Shot, Picture | None]]]:
    by_column = ([_shown(shot, album) for shot in shots if shot.column == column] for column in suite.columns)
    return [found for found in by_column if found]


def _shown(shot: Shot, album: Album) -> tuple[Shot, Picture | None]:
    """The film; None where there is none, or no room for it."""
    if shot.clip is None:
        return shot, None
    picture = album.embed(shot.clip, f"{shot.arm.title}, {shot.kind}: {shot.instruction}")
    if picture is None:
        return replace(shot, reason=f"left out for its size: films/{shot.clip.name}"), None
    return shot, picture
