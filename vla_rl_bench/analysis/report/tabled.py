"""The suite's tables as HTML that takes the page's styles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from vla_rl_bench.analysis.report.sources import Evidence
from vla_rl_bench.analysis.tables.cells import in_detail
from vla_rl_bench.analysis.tables.html import html
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.report import suite_tables
from vla_rl_bench.analysis.tables.sources import limited_runs


def of_suite(evidence: Evidence) -> list[Table]:
    """The suite's own table first, then those of its other samplings and evaluations."""
    return suite_tables(evidence.episodes, evidence.suite, limited_runs(evidence.folder, evidence.suite))


def as_html(tables: Sequence[Table], prefix: str) -> list[str]:
    """Each with its counts and its seeds.  prefix: begins the anchors, so that two suites on a page differ."""
    parts = [replace(part, label=f"{prefix}-{part.label}") for table in tables for part in in_detail(table)]
    return [re.sub(r"<style>.*?</style>\n", "", html(part), flags=re.S) for part in parts]
