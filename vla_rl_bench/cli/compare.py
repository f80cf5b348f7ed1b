"""``vla-rl-bench compare``: two arms, or two runs, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

EvaluationOption = Annotated[
    str | None, typer.Option(help="An extra evaluation of the suite, by name.", show_default=False)
]
SamplingOption = Annotated[
    str | None, typer.Option(help="greedy, or T=1; default: greedy, or the only one.", show_default=False)
]
ColumnOption = Annotated[
    str | None, typer.Option(help="One column; default: all that both sides have.", show_default=False)
]


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A run's folder, or SUITE:ARM; SUITE may be a file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one. Differences are B minus A.")],
    evaluation: EvaluationOption = None,
    sampling: SamplingOption = None,
    column: ColumnOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON; rates in 0..1.")] = False,
    out: Annotated[Path, typer.Option(help="Where runs are.")] = Path("runs"),
) -> None:
    """Print the difference between two arms, or two runs, and if it is significant.

    Both must have been evaluated under one protocol; they are compared start by start.

    \b
    vla-rl-bench compare quickstart:sft quickstart:sft-rl
    vla-rl-bench compare quickstart:sft quickstart:sft-rl --column object
    vla-rl-bench compare suites/quickstart.yaml:sft suites/quickstart.yaml:sft-rl
    vla-rl-bench compare runs/quickstart/runs/sft-object-s0-0123456789 \\
        runs/quickstart/runs/sft-object-s1-abcdef0123
    """
    from vla_rl_bench.analysis.align_runs import align_runs
    from vla_rl_bench.analysis.compare_text import lines, plain
    from vla_rl_bench.analysis.select_runs import select_arm
    from vla_rl_bench.analysis.statistics import comparison

    runs = align_runs(select_arm(a, out), select_arm(b, out), evaluation, sampling, column)
    result = comparison.compare(runs.columns)
    typer.echo(json.dumps(plain(runs, result), indent=1) if as_json else "\n".join(lines(runs, result)))
