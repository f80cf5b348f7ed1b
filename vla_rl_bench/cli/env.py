"""``vla-rl-bench env``: interpreters for environment workers whose packages clash with ours."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.entries import Interpreter
from vla_rl_bench.errors import PluginError, UserError, did_you_mean
from vla_rl_bench.rollout import interpreters
from vla_rl_bench.text_table import text_lines

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name in `env list`.")]
Base = Annotated[
    str | None,
    typer.Option(
        "--python", metavar="PATH", help="The Python to build it with; default: one that fits.", show_default=False
    ),
]


def environments() -> typer.Typer:
    """Build the group of commands."""
    group = typer.Typer(
        help="Build and find the interpreters that some environments' workers run under.",
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    group.command("create")(create)
    group.command("list")(list_interpreters)
    group.command("path")(path)
    return group


def create(name: Name, python: Base = None) -> None:
    """Build an interpreter with the plugin's pinned versions.

    The same command again continues after an interruption, updates the interpreter after an upgrade of the plugin, and
    does nothing if it is ready. It is kept in ~/.cache/vla-rl-bench, or in the folder VLA_RL_BENCH_ENVIRONMENTS, where
    suites find it. Packages are installed with uv if it is on the PATH, otherwise with pip.

    \b
    vla-rl-bench env create robotwin
    vla-rl-bench env create robotwin --python /usr/bin/python3.11
    """
    interpreter = named_interpreter(discover(), name)
    if interpreters.state(interpreter) == "ready":
        typer.echo(f"ready already: {interpreters.find(interpreter)}")
        return
    typer.echo(f"building `{name}` in {interpreters.folder(interpreter)}, {interpreter.gigabytes:g} GB", err=True)
    start = time.monotonic()
    path = _build_with_progress(interpreter, python)
    typer.echo(f"ready after {time.monotonic() - start:.0f} s: {path}")


def list_interpreters() -> None:
    """List the interpreters that installed plugins ask for, with their states."""
    rows = [
        (f"  {interpreter.name}", interpreters.state(interpreter), ", ".join(users), interpreter.summary)
        for interpreter, users in interpreters_by_name(discover()).values()
    ]
    for line in text_lines(rows, left=4) or ["no installed plugin asks for one"]:
        typer.echo(line)


def path(name: Name) -> None:
    """Print the Python of an interpreter that is ready.

    \b
    "$(vla-rl-bench env path robotwin)" -m pip list
    """
    interpreter = named_interpreter(discover(), name)
    python = interpreters.find(interpreter)
    if python is None:
        problem = interpreters.problem(interpreter)
        raise UserError(f"the interpreter `{name}` {problem}. Run: vla-rl-bench env create {name}")
    typer.echo(python)


def interpreters_by_name(catalog: Catalog) -> dict[str, tuple[Interpreter, list[str]]]:
    """Return the interpreters that plugins ask for, each with the environments that run under it."""
    by_name: dict[str, tuple[Interpreter, list[str]]] = {}
    for listing in catalog.listing("environments"):
        interpreter = listing.entry.interpreter
        if interpreter:
            by_name.setdefault(interpreter.name, (interpreter, []))[1].append(listing.entry.name)
    return by_name


def named_interpreter(catalog: Catalog, name: str) -> Interpreter:
    """Return an interpreter by its name, or by the name of an environment that runs under it."""
    by_name = interpreters_by_name(catalog)
    for interpreter, environments in by_name.values():
        if name == interpreter.name or name in environments:
            return interpreter
    hint = did_you_mean(name, by_name) or " None is installed."
    raise PluginError(f"no plugin asks for an interpreter `{name}`.{hint}")


def _build_with_progress(interpreter: Interpreter, python: str | None) -> Path:
    """Build with a progress bar on a terminal, otherwise with a printed line a step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    printed: list[str] = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)

        def show(step: str, done: int, total: int) -> None:
            if step not in printed:
                printed.append(step)
                if not console.is_terminal:
                    console.print(f"  {step}" + (f", {total} packages" if total > 1 else ""))
            note = ", installing" if 1 < total == done else ""
            bar.update(task, description=step + note, completed=done, total=total)

        return interpreters.build(interpreter, show, python)
