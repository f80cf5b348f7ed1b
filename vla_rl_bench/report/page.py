"""Suites' evidence -> one HTML page, all of it inline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vla_rl_bench import __version__
from vla_rl_bench.errors import UserError
from vla_rl_bench.pictures.clip import last_picture
from vla_rl_bench.report import headline, lines, outcomes, palette, provenance, times
from vla_rl_bench.report.embed import Album, further_pictures, refuse_large
from vla_rl_bench.report.films import Shot
from vla_rl_bench.report.sources import Evidence
from vla_rl_bench.results.frame import episodes_frame, run_folders
from vla_rl_bench.tables.figures import in_detail
from vla_rl_bench.tables.html import html
from vla_rl_bench.tables.model import Table
from vla_rl_bench.tables.report import suite_tables
from vla_rl_bench.tables.sources import limited_runs, suite_source

if TYPE_CHECKING:
    from jinja2 import Environment

ABLATION = "ablation"
TOOLTIPS = 20_000  # cells of maps at most that say what they are when pointed at
_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # shown if any of these is there
    ("tables", "Results", ()),
    ("ablation", "Ablation", ("ablation", "ablation_reason")),
    ("curves", "Learning curves", ("panels",)),
    ("tasks", "Success by task", ()),
    ("starts", "Success by start", ()),
    ("films", "Films", ("filmed",)),
    ("pictures", "Pictures", ("pictures",)),
    ("times", "Where the time went", ()),
    ("provenance", "Provenance", ()),
)
TITLES = {
    "before_after": "The same start, before and after RL",
    "pushcut": "Strategies over training",
    "generalisation": "Unseen tasks against seen ones",
    "ablation_curves": "Ablation: learning curves",
}


@dataclass(frozen=True)
class Picture:
    """Embedded.  still: what stands for a moving picture where nothing should move, or on paper."""

    title: str
    uri: str
    still: str = ""


def render(found: Sequence[Evidence], films: Sequence[Sequence[Shot]]) -> str:
    """The page.  films: of each suite, in the suites' order."""
    album = Album()
    views = [
        _view(f"s{number}", one, shots, album) for number, (one, shots) in enumerate(zip(found, films, strict=True))
    ]
    titles = [one.suite.title or one.suite.name for one in found]
    page = (
        _jinja()
        .get_template("page.html.j2")
        .render(
            title=titles[0] if len(titles) == 1 else f"{len(titles)} suites: {'; '.join(titles)}",
            views=views,
            version=__version__,
            light=palette.definitions(dark=False),
            dark=palette.definitions(dark=True),
            left_out=album.left_out,
            lines=lines,
            sections=_sections,
            stage=palette.stage,
            spoken=times.spoken,
        )
    )
    refuse_large(page)
    return page


def _view(prefix: str, evidence: Evidence, shots: Sequence[Shot], album: Album) -> dict[str, object]:
    """Everything that the template of a suite asks for.  prefix: begins the anchors of this suite."""
    tables = suite_tables(evidence.episodes, evidence.suite, limited_runs(evidence.folder, evidence.suite))
    ablation, ablation_reason = _ablation(evidence)
    by_column = outcomes.outcomes(evidence)
    pictures = [_picture(path, album) for path in further_pictures(evidence.folder)]
    return {
        "prefix": prefix,
        "suite": evidence.suite,
        "asked": headline.asked(evidence),
        "scope": headline.scope(tables[0]),
        "keys": headline.keys(evidence, tables[0]),
        "planned": len(evidence.planned),
        "missing": evidence.missing,
        "arms": palette.arms(evidence.suite),
        "tables": _tables(tables[:1], prefix),
        "further_tables": _tables(tables[1:], prefix),
        "ablation": _tables(ablation, prefix),
        "ablation_reason": ablation_reason,
        "panels": lines.panels(evidence),
        "outcomes": by_column,
        "detailed": sum(one.cells for one in by_column) <= TOOLTIPS,
        "filmed": bool(shots),
        "columns": [[_shown(shot, album) for shot in shots if shot.column == one] for one in evidence.suite.columns],
        "pictures": [picture for picture in pictures if picture.uri],
        "stages": times.stages(evidence),
        "rollouts": times.rollouts(evidence),
        "shared": provenance.shared(evidence),
        "runs": provenance.each(evidence),
        "resolved": provenance.resolved(evidence),
    }


def _sections(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The anchors and names of what the suite has."""
    return [(anchor, name) for anchor, name, there in _SECTIONS if not there or any(view[one] for one in there)]


def _tables(tables: Sequence[Table], prefix: str) -> list[str]:
    """With counts and seeds; the page has the styles, so the tables' own are left out."""
    parts = [replace(part, label=f"{prefix}-{part.label}") for table in tables for part in in_detail(table)]
    return [re.sub(r"<style>.*?</style>\n", "", html(part), flags=re.S) for part in parts]


def _ablation(evidence: Evidence) -> tuple[list[Table], str]:
    """The tables of an ablation that was run in the suite's folder, or why there are none."""
    if not (evidence.folder / f"{ABLATION}.json").is_file():
        return [], ""
    try:
        source = suite_source(evidence.folder, f"{ABLATION}.json")
        frame = episodes_frame(run_folders(source.folder), source.run_ids)
        tables = suite_tables(frame, source.suite, limited_runs(source.folder, source.suite))
    except UserError as error:
        return [], str(error)
    return [replace(one, label=f"{one.label}-{ABLATION}", delta_intervals=True) for one in tables], ""


def _picture(path: Path, album: Album) -> Picture:
    return _embedded(TITLES.get(path.stem, path.stem.replace("_", " ").replace("-", " ")), path, album)


def _embedded(title: str, path: Path, album: Album) -> Picture:
    """Without a URI where there is no room for it."""
    uri = album.picture(path)
    moves = uri and path.suffix in (".gif", ".webp")
    return Picture(
        title, uri, album.bytes(last_picture(path), "image/webp", f"the end of {path.name}") if moves else ""
    )


def _shown(shot: Shot, album: Album) -> tuple[Shot, Picture | None]:
    """The film with its last picture; None where there is none, or no room for it."""
    if shot.clip is None:
        return shot, None
    picture = _embedded(f"{shot.arm.title}, {shot.kind}: {shot.instruction}", shot.clip, album)
    if not picture.uri:
        return replace(shot, reason=f"left out for its size: films/{shot.clip.name}"), None
    return shot, picture


@lru_cache(maxsize=1)
def _jinja() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("vla_rl_bench.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
