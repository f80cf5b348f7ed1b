"""The suite's tables, and those of its ablation, as HTML that takes the page's styles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from vla_rl_bench.errors import UserError
from vla_rl_bench.report.sources import Evidence
from vla_rl_bench.results.frame import episodes_frame, run_folders
from vla_rl_bench.tables.figures import in_detail
from vla_rl_bench.tables.html import html
from vla_rl_bench.tables.model import Table
from vla_rl_bench.tables.report import suite_tables
from vla_rl_bench.tables.sources import limited_runs, suite_source

ABLATION = "ablation"


def of_suite(evidence: Evidence) -> list[Table]:
    """The suite's own table first, then those of its other samplings and evaluations."""
    return suite_tables(evidence.episodes, evidence.suite, limited_runs(evidence.folder, evidence.suite))


def of_ablation(evidence: Evidence) -> tuple[list[Table], str]:
    """The tables of an ablation that was run in the suite's folder, or why there are none."""
    if not (evidence.folder / f"{ABLATION}.json").is_file():
        return [], ""
    try:
        source = suite_source(evidence.folder, f"{ABLATION}.json")
        frame = episodes_frame(run_folders(source.folder), source.run_ids)
        tables = suite_tables(frame, source.suite, limited_runs(source.folder, source.suite))
    except UserError as error:
        return [], str(error)
    return [replace(one, label=f"{one.label}-{ABLATION}", delta_intervals=True) for one in tables], ""


def as_html(tables: Sequence[Table], prefix: str) -> list[str]:
    """Each with its counts and its seeds.  prefix: begins the anchors, so that two suites on a page differ."""
    parts = [replace(part, label=f"{prefix}-{part.label}") for table in tables for part in in_detail(table)]
    return [re.sub(r"<style>.*?</style>\n", "", html(part), flags=re.S) for part in parts]
