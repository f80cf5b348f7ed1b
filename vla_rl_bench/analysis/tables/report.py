"""A suite's tables as files, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.analysis.tables.build import build_table, selections, with_changes
from vla_rl_bench.analysis.tables.cells import with_detail_tables
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.reference_rows import with_references
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_text


def write_report(source: SuiteRuns, *, stem: str = "table") -> list[Path]:
    """Write ``<stem>.md``, ``<stem>.tex`` and ``<stem>s/``, one file per table, and return their paths.

    The suite's own evaluation comes first, with counts and intervals, then its other samplings and evaluations.
    """
    parts = [part for table in suite_tables(source) for part in with_detail_tables(table)]
    return write_tables(source.outputs, stem, parts)


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


def suite_tables(source: SuiteRuns) -> list[Table]:
    """The suite's own table with its references, then its other samplings and evaluations that were measured."""
    suite, frame = source.suite, source.episodes
    main, *others = selections(suite)
    own = with_references(build_table(frame, suite, main, limited=source.limited), suite)
    further = [table for selection in others if (table := build_table(frame, suite, selection)).seeds]
    return [with_changes(table, source.changes) for table in (own, *further)]


def write_notes(path: Path, tables: Sequence[Table]) -> None:
    """Write each table's title and notes, a line each, for formats that have no place for them."""
    try:
        write_text(path, "\n".join("\n".join([table.title, *table.notes]) + "\n" for table in tables))
    except OSError as error:
        raise UserError(f"--notes {path}: cannot be written: {error.strerror}") from None
