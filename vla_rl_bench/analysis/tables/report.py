"""A suite's tables as files, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.tables.build import Place, build_table, selections
from vla_rl_bench.analysis.tables.cells import with_detail_tables
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.reference_rows import with_references
from vla_rl_bench.analysis.tables.sources import limited_runs
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_text
from vla_rl_bench.records.frame import episodes_frame, run_folders

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    folder: Path, suite: Suite, run_ids: Collection[str] | None = None, *, stem: str = "table"
) -> list[Path]:
    """Write ``<stem>.md``, ``<stem>.tex`` and ``<stem>s/``, one file per table, and return their paths.

    The suite's own evaluation comes first, with counts and intervals, then its other samplings and evaluations.

    Args:
        folder: The suite's folder.
        suite: The suite.
        run_ids: The suite's runs; None: every complete run in the folder.
        stem: The beginning of the names.
    """
    tables = suite_tables(episodes_frame(run_folders(folder), run_ids), suite, limited_runs(folder, suite))
    return write_tables(folder, stem, [part for table in tables for part in with_detail_tables(table)])


def write_tables(folder: Path, stem: str, tables: Sequence[Table]) -> list[Path]:
    """Write all tables as markdown, all as LaTeX, and each LaTeX table as a file of its own; return the paths.

    The table labeled ``tab:smoke:counts`` is written to ``<stem>s/smoke-counts.tex``.
    """
    single = folder / f"{stem}s"
    sources = {single / f"{table.label.removeprefix('tab:').replace(':', '-')}.tex": latex(table) for table in tables}
    write_text(folder / f"{stem}.md", "\n".join(map(markdown, tables)))
    write_text(folder / f"{stem}.tex", "\n".join(sources.values()))
    for outdated in set(single.glob("*.tex")) - set(sources):
        outdated.unlink()
    for path, source in sources.items():
        write_text(path, source)
    return [folder / f"{stem}.md", folder / f"{stem}.tex", single]


def suite_tables(frame: pd.DataFrame, suite: Suite, limited: Collection[Place] = ()) -> list[Table]:
    """The suite's own table with its references, then its other samplings and evaluations that were measured."""
    main, *others = selections(suite)
    own = with_references(build_table(frame, suite, main, limited=limited), suite)
    return [own, *(table for selection in others if (table := build_table(frame, suite, selection)).seeds)]


def write_notes(path: Path, tables: Sequence[Table]) -> None:
    """Write each table's title and notes, a line each, for formats that have no place for them."""
    try:
        write_text(path, "\n".join("\n".join([table.title, *table.notes]) + "\n" for table in tables))
    except OSError as error:
        raise UserError(f"--notes {path}: cannot be written: {error.strerror}") from None
