"""A `Table` -> a piece of HTML that stands in any page: no scripts, no outside files, ASCII only."""

from __future__ import annotations

from itertools import groupby

from vla_rl_bench.analysis.tables.layout import Line, lines, width
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.templating import template


def html(table: Table, *, styled: bool = True) -> str:
    """Render a ``figure`` with a caption, the table and its notes; the source of a published number is its tooltip.

    styled: with its own styles; without, the page has them.
    """
    rendered = template("table.html.j2").render(
        title=table.title,
        styled=styled,
        label=table.label.replace(":", "-"),
        width=width(table),
        parts=_parts(lines(table)),
        notes=table.notes,
    )
    ascii_only = rendered.encode("ascii", "xmlcharrefreplace").decode()
    return ascii_only.rstrip("\n") + "\n"


def _parts(found: list[Line]) -> list[tuple[str, list[Line]]]:
    """The lines under ``thead`` (down to the first header) and under a ``tbody`` for the rest."""
    last = next(place for place, line in enumerate(found) if line.kind == "header")
    split = groupby(enumerate(found), lambda numbered: "thead" if numbered[0] <= last else "tbody")
    return [(name, [line for _, line in numbered]) for name, numbered in split]
