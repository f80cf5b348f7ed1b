"""The command ``vla-rl-bench behaviors``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def behaviors(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_OR_SUITE", help="runs/<suite>, or one run's folder: runs/<suite>/runs/<id>.")
    ],
    films: Annotated[int, typer.Option(min=0, help="Films of each new behavior, at most.")] = 3,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; default: RUN_OR_SUITE.", file_okay=False)
    ] = None,
) -> None:
    """Report how episodes succeed before, during and after RL, and which behaviors no demonstration shows.

    Writes behaviors.md, .png and .json, and films of the first successes with a new behavior.

    \b
    vla-rl-bench behaviors runs/small-pushcut
    vla-rl-bench behaviors runs/small-pushcut/runs/sft-rl-object-s10-0123456789 --films 1
    """
    from vla_rl_bench_behaviors.report import write_report

    paths = write_report(folder, out or folder, films)
    typer.echo(paths[0].read_text())
    for path in paths:
        typer.echo(f"wrote {path}", err=True)
