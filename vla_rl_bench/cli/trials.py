"""``vla-rl-bench trials``: trials that a person judges at a real robot."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from vla_rl_bench.cli.tables import NotesOption
from vla_rl_bench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
SheetArgument = Annotated[Path, typer.Argument(metavar="SHEET", help="The sheet's file.")]


def trials() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        help="Trials at a real robot: a sheet that a person fills in, and its table.",
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    for name, command in (("new", new), ("fill", fill), ("add", add), ("undo", undo), ("key", key), ("table", table)):
        group.command(name)(command)
    return group


def new(
    sheet: SheetArgument,
    task: Annotated[list[str], typer.Option(help="A task, as the table's column is called; one option each.")],
    model: Annotated[list[str], typer.Option(help="A model, as the table's row is called; one option each.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of each model on each task.")] = 50,
    protocol: Annotated[str, typer.Option(help="How it is done, in a sentence; stands under the table.")] = "",
    title: Annotated[str, typer.Option(help="The table's title.")] = "Real robot",
    order: Annotated[
        Literal["interleaved", "blocked"], typer.Option(help="Models take turns, or one after another.")
    ] = "interleaved",
    paired: Annotated[
        bool | None,
        typer.Option(
            "--paired/--no-paired",
            help="The models' trials of a round are set up alike; by default where models take turns.",
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
    seed: Annotated[int | None, typer.Option(min=0, help="Of the order; default: drawn.", show_default=False)] = None,
) -> None:
    """Begin a sheet.

    \b
    vla-rl-bench trials new robot.jsonl --task "Stack Bowls" --task "Pick Bottle" \\
        --model "OpenVLA-OFT" --model "w/ ours" --protocol "two Piper arms, clean table"
    """
    from vla_rl_bench.trials.events import Plan, checked, now
    from vla_rl_bench.trials.keeping import create

    subtrahend = baseline or model[0]
    minuends = delta or [name for name in model if name != subtrahend]
    plan = _said(
        lambda: checked(
            lambda: Plan(
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
        )
    )
    create(sheet, plan)
    typer.echo(f"{sheet}: {len(task) * len(model) * trials} trials to do: vla-rl-bench trials fill {sheet}")


def fill(
    sheet: SheetArgument,
    task: Annotated[str | None, typer.Option(help="Only this task.", show_default=False)] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Show A, B, ... for the models' names.")] = False,
) -> None:
    """Fill in a sheet at the robot: one key a trial.

    It says which model and task is next. Every trial is on disk at once; the same command goes on where it was left.
    """
    from vla_rl_bench.trials.events import known_name
    from vla_rl_bench.trials.fill import Filling
    from vla_rl_bench.trials.keeping import opened
    from vla_rl_bench.trials.terminal import terminal

    with opened(sheet) as book:
        if task is not None:
            _said(lambda: known_name(task, book.sheet.plan.tasks, "task"))
        Filling(book, terminal(), blind, task).run()
        typer.echo(f"{sheet}: {len(book.sheet.trials)} of {book.sheet.planned} trials done")


def add(
    sheet: SheetArgument,
    outcome: Annotated[Literal["success", "failure"], typer.Argument(help="How it ended.", show_default=False)],
    task: Annotated[str, typer.Option(help="The task.")],
    model: Annotated[str, typer.Option(help="The model.")],
    note: Annotated[str, typer.Option(help="A remark.")] = "",
) -> None:
    """Enter one trial, without a terminal."""
    from vla_rl_bench.trials.events import known_name
    from vla_rl_bench.trials.keeping import opened

    with opened(sheet) as book:
        plan = book.sheet.plan
        _said(lambda: known_name(task, plan.tasks, "task"))
        _said(lambda: known_name(model, plan.models, "model"))
        slot = next(book.sheet.open_slots(task, model), None)
        if slot is None:
            raise UserError(f"{sheet}: all {plan.trials} trials of {model} on {task} are done")
        book.add(book.sheet.trial(slot, outcome == "success", note))
    typer.echo(f"{task}, {model}, round {slot.round} of {plan.trials}: {outcome}")


def undo(sheet: SheetArgument) -> None:
    """Undo the trial that was entered last; the sheet keeps a line of it."""
    from vla_rl_bench.trials.events import Undo, now
    from vla_rl_bench.trials.keeping import opened

    with opened(sheet) as book:
        last = book.sheet.last
        if last is None:
            raise UserError(f"{sheet}: no trial to undo")
        book.add(Undo(number=last.number, time=now()))
    typer.echo(f"undone: {last.task}, {last.model}, round {last.round}: {last.outcome}")


def key(sheet: SheetArgument) -> None:
    """Say which model is A and which B.

    For the one who starts the models in blind trials, not for the one who judges.
    """
    from vla_rl_bench.trials.keeping import read
    from vla_rl_bench.trials.sheet import letters

    for model, letter in sorted(letters(read(sheet).plan).items(), key=lambda item: item[1]):
        typer.echo(f"{letter}  {model}")


def table(
    sheet: SheetArgument,
    format: Annotated[str, typer.Option(help="A table format; `list table-formats` names them.")] = "markdown",
    show: Annotated[Literal["rates", "interval", "counts"], typer.Option(help="What stands in a cell.")] = "rates",
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Published rows in a block of their own: paper-6. Can be repeated.", show_default=False),
    ] = None,
    notes: NotesOption = None,
) -> None:
    """Print the sheet's table as it is now.

    Models are rows, tasks columns, then their mean; differences stand under their models. A cell without trials is
    empty, one with fewer than planned is marked.
    """
    from vla_rl_bench import catalog, entries
    from vla_rl_bench.analysis.tables.companion import write_notes
    from vla_rl_bench.analysis.tables.reference import find_published
    from vla_rl_bench.trials.keeping import read
    from vla_rl_bench.trials.table import sheet_table

    render = entries.load(catalog.discover().table_format(format).render)
    found = sheet_table(read(sheet), show, [find_published(name) for name in reference or []])
    if notes is not None:
        write_notes(notes, [found])
    typer.echo(render(found), nl=False)


def _said(make: Callable[[], T]) -> T:
    """A mistake on the command line in one line."""
    try:
        return make()
    except ValueError as error:
        raise UserError(str(error)) from None
