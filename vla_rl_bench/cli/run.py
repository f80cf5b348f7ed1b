"""``vla-rl-bench run`` and ``ablate``: both start, and both resume."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SuiteArgument = Annotated[str, typer.Argument(metavar="SUITE", help="A suite file, or a plugin's suite by name.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="a.b=c", help="Changes to the suite, in order; list items by name.", show_default=False),
]
Out = Annotated[Path, typer.Option(help="Where runs are kept, a folder a suite.", file_okay=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the runs and what of them is complete; run nothing.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Cut every run to N iterations and 10 N steps; kept out of tables.", show_default=False),
]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="Runs at the same time; default: runtime.jobs.", show_default=False)
]
Seeds = Annotated[str | None, typer.Option(metavar="0,1,...", help="Short for seeds=[0,1,...].", show_default=False)]


def run(
    suite: SuiteArgument,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    dry_run: DryRun = False,
    limit: Limit = None,
    jobs: Jobs = None,
    seeds: Seeds = None,
) -> None:
    """Run a suite, or resume it.

    Train what is missing, evaluate, write the tables.
    The same command again continues after any interruption and repeats nothing that is complete.
    Tables and plots of changed values are written to runs/SUITE/changed/NAME.

    \b
    vla-rl-bench run suites/quickstart.yaml
    vla-rl-bench run suites/quickstart.yaml tricks.temperature.value=1.0   a trick's option
    vla-rl-bench run suites/quickstart.yaml tricks.dynamic-sampling=off    without a trick
    vla-rl-bench run suites/quickstart.yaml rl.iterations=10 sft.steps=50  every arm's block
    vla-rl-bench run suites/quickstart.yaml arms.sft.sft.steps=50          one arm's
    vla-rl-bench run suites/quickstart.yaml 'columns=[object]' --seeds 0
    """
    changes = checked(suite, overrides, seeds)
    from vla_rl_bench.analysis.outputs import run as run_suite

    run_suite(suite, changes, out=out, dry_run=dry_run, limit=limit, jobs=jobs)


def ablate(
    suite: SuiteArgument,
    axis: Annotated[
        list[str] | None,
        typer.Option(
            metavar="a.b=c,d",
            help="A key and its values, commas between; may be repeated. Default: the suite's `ablate:` block.",
            show_default=False,
        ),
    ] = None,
    grid: Annotated[
        bool | None,
        typer.Option(
            "--grid/--no-grid",
            help="Every combination of the values, or one axis at a time. Default: as the block says; one at a time.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    dry_run: DryRun = False,
    limit: Limit = None,
    jobs: Jobs = None,
    seeds: Seeds = None,
) -> None:
    """Change one thing at a time, or cross the changes, and compare.

    A table of each variant against the full recipe, with the interval of the difference, and curves.

    What the variants have in common (demonstrations, SFT) is computed once. The same command again, or with more axes
    and values, runs only what is missing.

    \b
    vla-rl-bench ablate suites/quickstart.yaml \\
        --axis tricks.temperature.value=1.0,1.6 --axis tricks.dynamic-sampling=on,off
    vla-rl-bench ablate my.yaml            the axes of its `ablate:` block
    """
    from vla_rl_bench.catalog import discover
    from vla_rl_bench.config.ablation import read_ablation

    changes = checked(suite, overrides, seeds)
    read_ablation(suite, changes, discover(), axis, grid)
    from vla_rl_bench.analysis.outputs import ablate as ablate_suite

    ablate_suite(suite, axis, changes, out=out, dry_run=dry_run, limit=limit, jobs=jobs, grid=grid)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder: runs/<suite>/runs/<id>.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; new or empty.")],
) -> None:
    """Write a run's trained policy in its own format.

    What was trained is merged into the checkpoint that it began with, for the tools of others and as a checkpoint for
    the next suite.

    \b
    vla-rl-bench export runs/quickstart/runs/sft-object-s0-0123456789 exported
    """
    from vla_rl_bench.catalog import discover
    from vla_rl_bench.suite.export import export as export_run

    typer.echo(f"wrote {export_run(run, folder, discover())}")


def demonstrations(
    suite: SuiteArgument,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    seeds: Seeds = None,
) -> None:
    """Build the demonstration stores that a suite's runs will ask for, and run nothing.

    The same command again continues after any interruption, and ends with the same bytes. `run` finds the stores there.

    \b
    vla-rl-bench demonstrations suites/quickstart.yaml
    vla-rl-bench demonstrations suites/quickstart.yaml runtime.workers=4 --seeds 0
    """
    changes = checked(suite, overrides, seeds)
    from vla_rl_bench.suite.stages import build_stores

    for path in build_stores(suite, changes, out):
        typer.echo(path)


def checked(suite: str, overrides: list[str] | None, seeds: str | None) -> list[str]:
    """All changes to the suite.  It is read once before torch is imported: a mistake is answered at once."""
    from vla_rl_bench.config.load import load_suite

    changes = [*(overrides or []), *([f"seeds=[{seeds}]"] if seeds is not None else [])]
    load_suite(suite, changes)
    return changes
