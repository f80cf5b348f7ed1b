"""``vla-rl-bench pushcut``: behaviours that no demonstration shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pushcut(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_OR_SUITE", help="runs/<suite>, or one run's folder: runs/<suite>/runs/<id>.")
    ],
    films: Annotated[int, typer.Option(min=0, help="Films of each behaviour, at most.")] = 3,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: the folder itself.", file_okay=False)
    ] = None,
) -> None:
    """Say in which ways successes come about, and whether RL brought one that no demonstration shows.

    Writes pushcut.md, .png and .json, and films of the first successes done in a way that is new.

    \b
    vla-rl-bench pushcut runs/quickstart
    vla-rl-bench pushcut runs/quickstart/runs/sft-rl-object-s0-0123456789 --films 1
    """
    from vla_rl_bench.catalog import discover
    from vla_rl_bench.pushcut.report import write_report

    written = write_report(folder, out or folder, discover(), films)
    typer.echo(written[0].read_text())
    for path in written:
        typer.echo(f"wrote {path}", err=True)
