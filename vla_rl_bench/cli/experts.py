"""``vla-rl-bench experts``: how often an environment's own experts succeed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vla_rl_bench.errors import UserError


def experts(
    environment: Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="See: vla-rl-bench list environments.")],
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="One of its task suites.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="a=b", help="The environment's options.", show_default=False),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="0,3,...", help="Tasks by number; default: all.", show_default=False)
    ] = None,
    starts: Annotated[int, typer.Option(min=1, help="Tries a task, one a start, from the split's beginning.")] = 10,
    split: Annotated[str, typer.Option(help="demonstration, training or held-out.")] = "held-out",
    seed: Annotated[int, typer.Option(help="Of the expert's noise, where it has any.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: this one.")] = 1,
    python: Annotated[
        str | None, typer.Option(help="The interpreter of the processes; default: this one's.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.", file_okay=False)] = Path("runs/experts"),
) -> None:
    """Measure an environment's own experts: success by task, steps and CPU seconds an episode.

    Writes ENVIRONMENT-SUITE.md, .json and .jsonl. The same command again tries only what is missing. Tries made before
    an expert was changed count on: remove the .jsonl file then.

    \b
    vla-rl-bench experts tabletop object
    vla-rl-bench experts libero libero_goal rendering=fast --tasks 0,3 --starts 20
    """
    numbers = _numbers(tasks)
    from rich.console import Console

    from vla_rl_bench.catalog import discover
    from vla_rl_bench.experts.report import page
    from vla_rl_bench.experts.trials import Measurement, measure
    from vla_rl_bench.files import write_text
    from vla_rl_bench.suite.progress import Display

    asked = Measurement(environment, suite, _options(options or []), numbers, starts, split, seed, workers, python)
    with Display(1, Console(stderr=True)) as display:
        record, path = measure(
            asked, discover(), out, lambda stage, done, total: display.report(suite, stage, done, total)
        )
    text = page(record)
    write_text(path.with_suffix(".md"), text)
    typer.echo(text, nl=False)
    typer.echo(f"wrote {path.with_suffix('.md')}", err=True)


def _numbers(text: str | None) -> tuple[int, ...]:
    """``0,3`` -> (0, 3)."""
    if text is None:
        return ()
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UserError(f"--tasks: `{text}` is not a list of numbers; write for example: --tasks 0,3") from None


def _options(changes: Sequence[str]) -> dict[str, Any]:
    """``rendering=fast`` -> {"rendering": "fast"}."""
    from vla_rl_bench.cli.explore import plain
    from vla_rl_bench.config.overrides import apply_overrides
    from vla_rl_bench.config.tree import COMMAND_LINE, Keys

    tree = Keys(COMMAND_LINE)
    apply_overrides(tree, changes)
    return {key: plain(value) for key, value in tree.items()}
