"""A suite's folder -> its table as files, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.config.schema import Suite
from vla_rl_bench.results.frame import episodes_frame, run_folders
from vla_rl_bench.results.store import write_text
from vla_rl_bench.tables.build import Selection, build_table, selections
from vla_rl_bench.tables.model import Table
from vla_rl_bench.tables.render import Detail, has_counts, latex, markdown, with_counts

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    folder: Path, suite: Suite, run_ids: Collection[str] | None = None, *, stem: str = "table"
) -> list[Path]:
    """Writes ``<stem>.md`` and ``<stem>.tex`` into the suite's folder -> their paths.

    The suite's own evaluation first, with counts and intervals, then its other samplings and evaluations.
    run_ids: the runs that the suite means now; None: every complete run in the folder.
    """
    frame = episodes_frame(run_folders(folder), run_ids)
    written = []
    for suffix, render in ((".md", markdown), (".tex", latex)):
        path = folder / f"{stem}{suffix}"
        write_text(path, report_text(frame, suite, render))
        written.append(path)
    return written


def report_text(frame: pd.DataFrame, suite: Suite, render: Callable[[Table, Detail], str]) -> str:
    """All the suite's tables, one after the other."""
    main, *others = selections(suite)
    texts = [with_counts(build_table(frame, suite, main), render)]
    tables = [_named(build_table(frame, suite, other), other) for other in others]
    return "\n".join(texts + [with_counts(table, render) for table in tables if has_counts(table)])


def _named(table: Table, selection: Selection) -> Table:
    """A further table says in title and label which evaluation it is."""
    from dataclasses import replace

    name = selection.sampling if selection.evaluation == "main" else f"{selection.evaluation}, {selection.sampling}"
    label = "-".join([table.label, *name.replace(",", "").split()])
    return replace(table, title=f"{table.title} ({name})", label=label)
