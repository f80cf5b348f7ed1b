"""The published numbers that a suite's own table shows beside its rows."""

from __future__ import annotations

from collections.abc import Sequence

from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.reference import find_published
from vla_rl_bench.analysis.tables.reference_rows import beside, refuse_others
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError


def with_references(table: Table, suite: Suite, names: Sequence[str] | None = None) -> Table:
    """names: as ``--reference`` has them; None: those that the suite names itself."""
    wanted = suite.table.references if names is None else names
    found = [find_published(name) for name in dict.fromkeys(wanted)]
    return beside(table, suite.environment.name, found, tasks=suite.tasks) if found else table


def refuse_references(suite: Suite) -> None:
    """Before anything runs: names that are not there, and numbers that cannot stand beside this suite's."""
    for name in suite.table.references:
        try:
            refuse_others(find_published(name), suite.environment.name, suite.columns)
        except UserError as error:
            raise UserError(f"{suite.name}: table.references: {error}") from None
