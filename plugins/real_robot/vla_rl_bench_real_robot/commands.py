"""``vla-rl-bench real-robot``: the commands of a trial sheet."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from vla_rl_bench.errors import UserError

SheetArgument = Annotated[Path, typer.Argument(metavar="SHEET", help="The sheet's file.")]


def real_robot() -> typer.Typer:
    """Build the group of commands."""
    group = typer.Typer(
        help="Trials on a real robot: a sheet that a person fills in, and its table.",
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    for command in (new, fill, add, undo, key, table):
        group.command(command.__name__)(command)
    return group


def new(
    sheet: SheetArgument,
    task: Annotated[list[str], typer.Option(help="A task, the title of a column; one option for each.")],
    model: Annotated[list[str], typer.Option(help="A model, the title of a row; one option for each.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of each model on each task.")] = 50,
    protocol: Annotated[str, typer.Option(help="How trials are done, in a sentence; a note of the table.")] = "",
    title: Annotated[str, typer.Option(help="The table's title.")] = "Real robot",
    order: Annotated[
        Literal["interleaved", "blocked"], typer.Option(help="Models take turns, or one after another.")
    ] = "interleaved",
    paired: Annotated[
        bool | None,
        typer.Option(
            "--paired/--no-paired",
            help="The models' trials of a round begin with the same scene; by default if models take turns.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The model that Δ is taken to; default: the first.", show_default=False)
    ] = None,
    delta: Annotated[
        list[str] | None,
        typer.Option(help="A model that gets a Δ; default: all but the baseline.", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the order; default: random.", show_default=False)] = None,
) -> None:
    """Begin a sheet.

    \b
    vla-rl-bench real-robot new robot.jsonl --task "Stack Bowls" --task "Pick Bottle" \\
        --model "OpenVLA-OFT" --model "w/ ours" --protocol "two Piper arms, clean table"
    """
    from vla_rl_bench_real_robot.sheet import Plan, now
    from vla_rl_bench_real_robot.sheet_file import create_sheet

    subtrahend = baseline or model[0]
    minuends = delta or [name for name in model if name != subtrahend]
    with _user_errors():
        plan = Plan(
            title=title,
            tasks=tuple(task),
            models=tuple(model),
            trials=trials,
            order=order,
            paired=order == "interleaved" if paired is None else paired,
            delta=tuple((name, subtrahend) for name in minuends),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            protocol=protocol,
            time=now(),
        )
    create_sheet(sheet, plan)
    typer.echo(f"{sheet}: {len(task) * len(model) * trials} trials to do: vla-rl-bench real-robot fill {sheet}")


def fill(
    sheet: SheetArgument,
    task: Annotated[str | None, typer.Option(help="Only this task.", show_default=False)] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Show A, B, ... instead of the models' names.")] = False,
) -> None:
    """Fill in a sheet at the robot: one key a trial.

    The screen names the next model and task. Every trial is on disk at once; the same command continues.
    """
    from vla_rl_bench_real_robot.entry import Terminal, TrialEntry
    from vla_rl_bench_real_robot.sheet import check_name
    from vla_rl_bench_real_robot.sheet_file import open_sheet

    with open_sheet(sheet) as writer:
        if task is not None:
            with _user_errors():
                check_name(task, writer.sheet.plan.tasks, "task")
        TrialEntry(writer, Terminal(), blind, task).run()
        typer.echo(f"{sheet}: {len(writer.sheet.trials)} of {writer.sheet.planned} trials done")


def add(
    sheet: SheetArgument,
    outcome: Annotated[Literal["success", "failure"], typer.Argument(help="How it ended.", show_default=False)],
    task: Annotated[str, typer.Option(help="The task.")],
    model: Annotated[str, typer.Option(help="The model.")],
    note: Annotated[str, typer.Option(help="A remark.")] = "",
) -> None:
    """Enter one trial, without a terminal."""
    from vla_rl_bench_real_robot.sheet import check_name
    from vla_rl_bench_real_robot.sheet_file import open_sheet

    with open_sheet(sheet) as writer:
        plan = writer.sheet.plan
        with _user_errors():
            check_name(task, plan.tasks, "task")
            check_name(model, plan.models, "model")
        planned = next(writer.sheet.remaining(task, model), None)
        if planned is None:
            raise UserError(f"{sheet}: all {plan.trials} trials of {model} on {task} are done")
        writer.add(writer.sheet.trial(planned, outcome == "success", note))
    typer.echo(f"{task}, {model}, round {planned.round} of {plan.trials}: {outcome}")


def undo(sheet: SheetArgument) -> None:
    """Undo the trial that was entered last; the sheet keeps its line."""
    from vla_rl_bench_real_robot.sheet import Undo, now
    from vla_rl_bench_real_robot.sheet_file import open_sheet

    with open_sheet(sheet) as writer:
        last = writer.sheet.last
        if last is None:
            raise UserError(f"{sheet}: no trial to undo")
        writer.add(Undo(number=last.number, time=now()))
    typer.echo(f"undone: {last.task}, {last.model}, round {last.round}: {last.outcome}")


def key(sheet: SheetArgument) -> None:
    """Print which model is A and which is B.

    For the person who starts the models in blind trials, not for the one who judges.
    """
    from vla_rl_bench_real_robot.sheet import letters
    from vla_rl_bench_real_robot.sheet_file import read_sheet

    for model, letter in letters(read_sheet(sheet).plan).items():
        typer.echo(f"{letter}  {model}")


def table(
    sheet: SheetArgument,
    format: Annotated[str, typer.Option(help="A table format; `list table-formats` names them.")] = "markdown",
    show: Annotated[Literal["rates", "interval", "counts"], typer.Option(help="The content of a cell.")] = "rates",
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Published rows in a block of their own: paper-6. Can be repeated.", show_default=False),
    ] = None,
    notes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the notes to this file, a line each.", show_default=False),
    ] = None,
) -> None:
    """Print the table of the sheet so far.

    Models are rows, tasks columns, then their mean; differences follow their models. A cell without trials is empty,
    one with fewer than planned is marked.
    """
    from vla_rl_bench import catalog, entries
    from vla_rl_bench.analysis.tables.published import find_published
    from vla_rl_bench.analysis.tables.report import write_notes
    from vla_rl_bench_real_robot.sheet_file import read_sheet
    from vla_rl_bench_real_robot.table import sheet_table

    render = entries.load(catalog.discover().table_format(format).render)
    content = sheet_table(read_sheet(sheet), show, [find_published(name) for name in reference or []])
    if notes is not None:
        write_notes(notes, [content])
    typer.echo(render(content), nl=False)


@contextmanager
def _user_errors() -> Iterator[None]:
    """Report a mistake on the command line in one line."""
    from pydantic import ValidationError

    from vla_rl_bench_real_robot.sheet import first_error

    try:
        yield
    except ValidationError as error:
        raise UserError(first_error(error)) from None
    except ValueError as error:
        raise UserError(str(error)) from None
