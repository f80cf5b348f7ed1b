"""A `Table` as HTML for any page: no scripts, no external files, ASCII only."""

from __future__ import annotations

from vla_rl_bench.analysis.tables.layout import lines
from vla_rl_bench.analysis.tables.model import Table


def html(table: Table, *, styled: bool = True) -> str:
    """Render a ``figure`` with a caption, the table and its notes; the source of a published number is its tooltip.

    Args:
        table: The table; its texts are escaped.
        styled: With its own styles; without them, the page has to have them.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vla_rl_bench.analysis.tables"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        autoescape=True,
    )
    layout = lines(table)
    head = 1 + next(index for index, line in enumerate(layout) if line.kind == "header")
    rendered = environment.get_template("table.html.j2").render(
        title=table.title,
        styled=styled,
        label=table.label.replace(":", "-"),
        parts=[("thead", layout[:head]), ("tbody", layout[head:])],
        notes=table.notes,
    )
    ascii_only = rendered.encode("ascii", "xmlcharrefreplace").decode()
    return ascii_only.rstrip("\n") + "\n"
