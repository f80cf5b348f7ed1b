"""A suite's folder -> its table as files, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.tables.build import Place, build_table, selections
from vla_rl_bench.analysis.tables.cells import in_detail
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.references import with_references
from vla_rl_bench.analysis.tables.sources import limited_runs
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.files import write_text
from vla_rl_bench.records.frame import episodes_frame, run_folders

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    folder: Path, suite: Suite, run_ids: Collection[str] | None = None, *, stem: str = "table"
) -> list[Path]:
    """Write ``<stem>.md``, ``<stem>.tex`` and ``<stem>s/``, each table in a file of its own -> their paths.

    The suite's own evaluation first, with counts and intervals, then its other samplings and evaluations.
    run_ids: the runs that the suite means now; None: every complete run in the folder.
    """
    frame = episodes_frame(run_folders(folder), run_ids)
    parts = [part for table in suite_tables(frame, suite, limited_runs(folder, suite)) for part in in_detail(table)]
    return write_files(folder, stem, [markdown(part) for part in parts], {part.label: latex(part) for part in parts})


def write_files(folder: Path, stem: str, markdowns: Sequence[str], latexes: Mapping[str, str]) -> list[Path]:
    """Write all tables as markdown, all as LaTeX, and each LaTeX table as a file of its own -> the paths.

    latexes: the tables by label; ``tab:smoke:counts`` is written to ``<stem>s/smoke-counts.tex``.
    """
    write_text(folder / f"{stem}.md", "\n".join(markdowns))
    write_text(folder / f"{stem}.tex", "\n".join(latexes.values()))
    alone = folder / f"{stem}s"
    names = {label: label.removeprefix("tab:").replace(":", "-") for label in latexes}
    written = {alone / f"{names[label]}.tex": text for label, text in latexes.items()}
    for outdated in set(alone.glob("*.tex")) - set(written):
        outdated.unlink()
    for path, text in written.items():
        write_text(path, text)
    return [folder / f"{stem}.md", folder / f"{stem}.tex", alone]


def suite_tables(frame: pd.DataFrame, suite: Suite, limited: Collection[Place] = ()) -> list[Table]:
    """The suite's own table, beside its references; then its other samplings and evaluations that were measured."""
    main, *others = selections(suite)
    further = [build_table(frame, suite, other) for other in others]
    own = with_references(build_table(frame, suite, main, limited=limited), suite)
    return [own, *(table for table in further if table.seeds)]
