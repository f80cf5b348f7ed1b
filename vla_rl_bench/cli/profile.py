"""``vla-rl-bench profile``: the time that each activity of an arm's RL takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vla_rl_bench.cli.run import Overrides, SuiteArgument, checked
from vla_rl_bench.errors import UserError


def profile(
    suite: SuiteArgument,
    overrides: Overrides = None,
    iterations: Annotated[int, typer.Option(min=1, help="RL iterations to watch.")] = 1,
    out: Annotated[
        Path, typer.Option(metavar="FILE.json", help="The trace, in Chrome's JSON format.", dir_okay=False)
    ] = Path("profile.json"),
    runs: Annotated[Path, typer.Option(help="Where the policy to begin with is looked for.", file_okay=False)] = Path(
        "runs"
    ),
) -> None:
    """Record what workers and policy do when, as a trace for chrome://tracing or ui.perfetto.dev.

    Runs the RL of the suite's first arm that has it, on the first column and seed, in a temporary folder.
    It begins with the trained policy of the arm that it starts from if `run` has left one, else with an untrained
    one.

    \b
    vla-rl-bench profile suites/quickstart.yaml
    vla-rl-bench profile suites/quickstart.yaml 'columns=[goal]' --iterations 3 --out goal.json
    """
    changes = checked(suite, overrides, None)
    if out.suffix != ".json":
        raise UserError(f"--out: {out}: a trace is a .json file. Write --out {out.with_suffix('.json')}")
    _make_folder(out.parent)
    from rich.console import Console

    from vla_rl_bench.suite import trace
    from vla_rl_bench.suite.progress import Display

    with Display(1, Console(stderr=True)) as display:
        measured = trace.profile(suite, changes, iterations=iterations, runs=runs, reporter=display.report)
    trace.save(out, measured.spans)
    typer.echo(trace.summary(measured))
    typer.echo(f"\nwrote {out}: open it at https://ui.perfetto.dev or, in Chrome, at chrome://tracing")


def _make_folder(folder: Path) -> None:
    """Make the folder before minutes of work, not after them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out: {folder}: {error.strerror}") from error
