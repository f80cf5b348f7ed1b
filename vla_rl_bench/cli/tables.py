"""``vla-rl-bench tables``: results and published numbers as tables."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vla_rl_bench.errors import UserError

if TYPE_CHECKING:
    from vla_rl_bench.analysis.select_runs import SuiteRuns
    from vla_rl_bench.analysis.tables.model import Table

NotesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write the notes, a line each, to this file; csv has no place for them.",
        show_default=False,
        dir_okay=False,
    ),
]


def tables(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN_OR_SUITE",
            help="A suite file, a folder of results, or the name of a suite that was run; all under --out by default. "
            "Changes a.b=c, as of `run`, are of the suite files.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="A table format; `list table-formats` names them.")] = "markdown",
    paper: Annotated[
        int | None, typer.Option(help="A table of the paper, from its published numbers.", show_default=False)
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(help="Others' published numbers: libero, robotwin2, robotwin2_50, others.", show_default=False),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Published rows, in a section of their own: paper-2, libero; instead of the suite's. Can be repeated.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        Literal["rates", "interval", "counts", "seeds"], typer.Option(help="Content of the cells.")
    ] = "rates",
    best: Annotated[
        bool | None,
        typer.Option(
            "--best/--no-best",
            help="The best of each section in bold; by default only in tables of the paper that have it.",
            show_default=False,
        ),
    ] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Also counts, 95% intervals and seeds.")] = False,
    evaluation: Annotated[
        str | None, typer.Option(help="An extra evaluation of the suite, by name.", show_default=False)
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(help="greedy, or T=1: instead of the suite's choice.", show_default=False)
    ] = None,
    notes: NotesOption = None,
    out: Annotated[Path, typer.Option(help="Where runs are.")] = Path("runs"),
) -> None:
    """Print tables of results, or of published numbers.

    A suite's table is that of its file; changed recipes that were run are named below it, on stderr.

    \b
    vla-rl-bench tables quickstart
    vla-rl-bench tables runs/quickstart/changed/tricks.temperature.value=1.0
    vla-rl-bench tables suites/quickstart.yaml tricks.temperature.value=1.0
    """
    from vla_rl_bench import catalog, entries
    from vla_rl_bench.analysis.tables.cells import with_cells, with_detail_tables
    from vla_rl_bench.analysis.tables.report import write_notes

    render = entries.load(catalog.discover().table_format(format).render)
    printed: list[Table] = _published(paper, published)
    named: list[SuiteRuns] = []
    if sources or not printed:
        named = _select(sources or [], out)
        printed += [_measured(source, evaluation, sampling, reference or []) for source in named]
    elif reference:
        raise UserError(
            "--reference adds published rows to the table of a suite: name the suite too, or use --published"
        )
    if best is not None:
        printed = [replace(table, ranked=best) for table in printed]
    detailed = [
        part for table in printed for part in (with_detail_tables(table) if counts else [with_cells(table, show)])
    ]
    if notes is not None:
        write_notes(notes, detailed)
    typer.echo("\n".join(render(part) for part in detailed), nl=False)
    for folder in dict.fromkeys(source.folder for source in named if not source.changes):
        _name_others(folder)


def _name_others(folder: Path) -> None:
    """Print the commands that show a suite's changed and earlier recipes."""
    commands = _commands_for_others(folder)
    if commands:
        typer.echo("\n".join([f"{folder} has tables of other recipes, too:", *commands]), err=True)


def _published(paper: int | None, name: str | None) -> list[Table]:
    from vla_rl_bench.analysis.tables.published import find_published, paper_table, published_table

    found = [] if paper is None else [paper_table(paper)]
    return found if name is None else [*found, published_table(find_published(name))]


def _measured(source: SuiteRuns, evaluation: str | None, sampling: str | None, references: list[str]) -> Table:
    from vla_rl_bench.analysis.tables.build import build_table, select_evaluation, with_changes
    from vla_rl_bench.analysis.tables.reference_rows import with_references

    suite, chosen = source.suite, select_evaluation(source.suite, evaluation, sampling)
    table = build_table(source.episodes, suite, chosen, limited=source.limited)
    own = suite.table.references if chosen == select_evaluation(suite) else ()
    return with_changes(with_references(table, suite, references or own), source.changes)


def _select(words: list[str], out: Path) -> list[SuiteRuns]:
    """Select the suites that are named, with the changes ``a.b=c`` among the words; all under `out` by default."""
    from vla_rl_bench.analysis.select_runs import is_suite_file, select_all

    overrides = [word for word in words if _is_override(word)]
    names = [word for word in words if word not in overrides]
    if overrides and not any(map(is_suite_file, names)):
        raise UserError(f"`{overrides[0]}` changes a suite file: name the file too, or the changed recipe's folder")
    suites = select_all(names, out, overrides)
    if not suites:
        commands = [command for folder in sorted(out.glob("*")) for command in _commands_for_others(folder)]
        if commands:
            raise UserError("\n".join([f"{out}: only run with changed values; print these with", *commands]))
        raise UserError(f"no results under {out}/. Run a suite first: vla-rl-bench run suites/quickstart.yaml")
    return suites


def _commands_for_others(folder: Path) -> list[str]:
    """List the commands that print the changed and earlier recipes of a suite's folder."""
    from vla_rl_bench.records.suite_record import other_outputs

    return [f"  vla-rl-bench tables {shlex.quote(str(path))}" for path in other_outputs(folder)]


def _is_override(word: str) -> bool:
    """Tell ``a.b=c`` from the folder of a changed recipe."""
    key, equals, _ = word.partition("=")
    return bool(equals) and "/" not in key and not Path(word).exists()
