"""A suite's folder -> its table as files, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.config.schema import Suite
from vla_rl_bench.files import write_text
from vla_rl_bench.results.frame import episodes_frame, run_folders
from vla_rl_bench.tables.build import Place, Selection, build_table, selections
from vla_rl_bench.tables.figures import in_detail
from vla_rl_bench.tables.latex import latex
from vla_rl_bench.tables.markdown import markdown
from vla_rl_bench.tables.model import Table
from vla_rl_bench.tables.references import with_references
from vla_rl_bench.tables.sources import limited_runs

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
    tables = suite_tables(frame, suite, limited_runs(folder, suite))
    written = []
    for suffix, render in ((".md", markdown), (".tex", latex)):
        path = folder / f"{stem}{suffix}"
        write_text(path, "\n".join(render(part) for table in tables for part in in_detail(table)))
        written.append(path)
    return written


def suite_tables(frame: pd.DataFrame, suite: Suite, limited: Collection[Place] = ()) -> list[Table]:
    """The suite's own table, beside its references; then its other samplings and evaluations that were measured."""
    main, *others = selections(suite)
    further = [_named(build_table(frame, suite, other), other) for other in others]
    own = with_references(build_table(frame, suite, main, limited=limited), suite)
    return [own, *(table for table in further if table.seeds)]


def _named(table: Table, selection: Selection) -> Table:
    """A further table says in title and label which evaluation it is."""
    name = selection.sampling if selection.evaluation == "main" else f"{selection.evaluation}, {selection.sampling}"
    label = "-".join([table.label, *name.replace(",", "").split()])
    return replace(table, title=f"{table.title} ({name})", label=label)
