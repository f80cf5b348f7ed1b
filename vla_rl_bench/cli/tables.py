"""``vla-rl-bench tables``: results and published numbers as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vla_rl_bench.errors import UserError

if TYPE_CHECKING:
    from vla_rl_bench.tables.model import Table
    from vla_rl_bench.tables.sources import Source


def tables(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN_OR_SUITE",
            help="A suite file, a folder of results, or the name of a suite that was run; all under --out by default.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="A table format; `list table-formats` names them.")] = "markdown",
    paper: Annotated[
        int | None, typer.Option(help="A table of the paper, from its published numbers.", show_default=False)
    ] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Counts, 95% intervals and seeds underneath.")] = False,
    evaluation: Annotated[
        str | None, typer.Option(help="An extra evaluation of the suite, by name.", show_default=False)
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(help="greedy, or T=1: instead of the suite's choice.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Where runs are.")] = Path("runs"),
) -> None:
    """Print tables of results, or of the paper's published numbers."""
    from vla_rl_bench import catalog, entries
    from vla_rl_bench.tables.figures import in_detail

    render = entries.load(catalog.discover().table_format(format).render)
    found = [] if paper is None else [_published(paper)]
    if sources or paper is None:
        found += [_measured(source, evaluation, sampling) for source in _sources(sources or [], out)]
    parts = [part for table in found for part in (in_detail(table) if counts else [table])]
    typer.echo("\n".join(render(part) for part in parts), nl=False)


def _published(number: int) -> Table:
    from vla_rl_bench.tables.reference import paper_table

    return paper_table(number)


def _measured(source: Source, evaluation: str | None, sampling: str | None) -> Table:
    from vla_rl_bench.results.frame import episodes_frame, run_folders
    from vla_rl_bench.tables.build import build_table, select

    frame = episodes_frame(run_folders(source.folder), source.run_ids)
    return build_table(frame, source.suite, select(source.suite, evaluation, sampling))


def _sources(names: list[str], out: Path) -> list[Source]:
    from vla_rl_bench.tables.sources import find_source, suite_folders, suite_source

    if names:
        return [_from_file(Path(name), out) if _is_suite_file(Path(name)) else find_source(name, out) for name in names]
    folders = suite_folders(out)
    if not folders:
        raise UserError(f"no results under {out}/. Run a suite first: vla-rl-bench run suites/quickstart.yaml")
    return [suite_source(folder) for folder in folders]


def _is_suite_file(path: Path) -> bool:
    return path.is_file() and path.suffix != ".json"  # JSON is what a run recorded


def _from_file(path: Path, out: Path) -> Source:
    """The runs that the suite file means as it is now."""
    from vla_rl_bench import catalog
    from vla_rl_bench.config.load import load_suite
    from vla_rl_bench.suite.plan import plan
    from vla_rl_bench.tables.sources import Source

    plugins = catalog.discover()
    suite = load_suite(path, (), plugins)
    return Source(out / suite.name, suite, [run.id for run in plan(suite, plugins)])
