"""``vla-rl-bench report``: a suite's results as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUNS", help="A suite's folder of runs, as runs/quickstart; or several.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page; default: report.html in the suite's folder, or here for several.", show_default=False
        ),
    ] = None,
    films: Annotated[
        int, typer.Option(min=0, help="Successes, and failures, to film of each arm in each column; 0: none.")
    ] = 1,
) -> None:
    """Write one HTML page that opens anywhere.

    Tables, learning curves, success by task and by start, films, where the time went, and what it was made with.

    \b
    vla-rl-bench report runs/quickstart
    vla-rl-bench report runs/quickstart runs/smoke --out both.html --films 0
    """
    from vla_rl_bench.analysis.report.write import write_page

    path, found = write_page(runs, out, count=films, say=lambda line: typer.echo(line, err=True))
    for one in found:
        if one.missing:
            runs_missing = ", ".join(f"{name} ({why})" for name, why in one.missing.items())
            typer.echo(f"{one.folder}: {len(one.missing)} of {len(one.planned)} runs missing: {runs_missing}", err=True)
    typer.echo(f"wrote {path}")
