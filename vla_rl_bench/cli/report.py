"""``vla-rl-bench report``: write a suite's results as one page."""

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

    Key numbers, tables, learning curves, success by task and start, films, and provenance.

    \b
    vla-rl-bench report runs/quickstart
    vla-rl-bench report runs/quickstart runs/smoke --out both.html --films 0
    """
    from vla_rl_bench.analysis.report.page import write_page

    path, suites = write_page(runs, out, count=films, report=lambda line: typer.echo(line, err=True))
    for suite in suites:
        if suite.missing:
            missing = ", ".join(f"{name} ({status})" for name, status in suite.missing.items())
            typer.echo(f"{suite.outputs}: {len(suite.missing)} of {suite.planned} runs missing: {missing}", err=True)
    typer.echo(f"wrote {path}")
