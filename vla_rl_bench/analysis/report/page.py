"""Suites' evidence -> one HTML page, all of it inline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from vla_rl_bench import __version__
from vla_rl_bench.analysis.report import lines, palette, times
from vla_rl_bench.analysis.report.embed import Album, refuse_large
from vla_rl_bench.analysis.report.shots import Shot
from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.analysis.report.view import view

if TYPE_CHECKING:
    from jinja2 import Environment


def render(found: Sequence[Evidence], films: Sequence[Sequence[Shot]]) -> str:
    """The page.  films: of each suite, in the suites' order."""
    album = Album()
    views = [
        view(f"s{number}", one, shots, album) for number, (one, shots) in enumerate(zip(found, films, strict=True))
    ]
    titles = [one.suite.title or one.suite.name for one in found]
    template = _jinja().get_template("page.html.j2")
    page = template.render(
        title=titles[0] if len(titles) == 1 else f"{len(titles)} suites: {'; '.join(titles)}",
        views=views,
        version=__version__,
        light=palette.definitions(dark=False),
        dark=palette.definitions(dark=True),
        left_out=album.left_out,
        lines=lines,
        stage=palette.stage,
        spoken=times.spoken,
    )
    refuse_large(page)
    return page


@lru_cache(maxsize=1)
def _jinja() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("vla_rl_bench.analysis.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
