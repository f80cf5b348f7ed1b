"""The tables of an ablation: the suite's, with a mark at each significant difference and conclusions in the notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.analysis.statistics.comparison import Difference
from vla_rl_bench.analysis.statistics.intervals import decimal_text
from vla_rl_bench.analysis.statistics.verdict import Verdict, expected_by_chance, verdict
from vla_rl_bench.analysis.tables.cells import VERDICT_MARKS, cell_texts, with_detail_tables
from vla_rl_bench.analysis.tables.model import Delta, Table
from vla_rl_bench.analysis.tables.report import suite_tables, write_tables

NAMED = 4  # differences that a sentence still lists
_MEANINGS = {
    Verdict.RECIPES_DIFFER: "significant, also for other seeds and starts: after correction for the number of "
    "comparisons (Bonferroni), the interval excludes 0",
    Verdict.RECIPES_DIFFER_UNCORRECTED: "significant only without this correction: the printed interval excludes 0",
    Verdict.POLICIES_DIFFER: "significant for these policies only; policies trained with other seeds may not differ",
}


def write_ablation(source: SuiteRuns) -> list[Path]:
    """Write ``ablation.md``, ``ablation.tex`` and ``ablations/``, one file per table, and return their paths.

    Args:
        source: Its suite is as `ablation_suite` makes it.
    """
    parts = [part for table in ablation_tables(suite_tables(source)) for part in with_detail_tables(table)]
    labeled = [replace(part, label=f"{part.label}:ablation") for part in parts]
    return write_tables(source.outputs, "ablation", labeled)


def ablation_tables(tables: Sequence[Table]) -> list[Table]:
    """The tables with the verdicts of their differences, all judged together."""
    comparisons = sum(len(_differences(table)) for table in tables)
    return [
        replace(
            table,
            comparisons=comparisons,
            delta_intervals=True,
            notes=(*_conclusions(table, comparisons), *table.notes),
        )
        for table in tables
    ]


def _differences(table: Table) -> list[tuple[str, Difference]]:
    """Each difference with counts, and its name; a mean of one column is not counted again."""
    plain, differences = replace(table, delta_intervals=False, comparisons=0), []
    for line in table.lines:
        for index, column in enumerate(table.columns):
            value = table.value(line, index) if isinstance(line, Delta) and len(column.mean_of) != 1 else None
            if isinstance(line, Delta) and value is not None and value.difference is not None:
                [points] = cell_texts(plain, line, [index])
                name = f"{table.rows[line.minuend].title} on {column.title}, {points}"
                differences.append((name, value.difference))
    return differences


def _conclusions(table: Table, comparisons: int) -> Iterator[str]:
    """The notes on significance, in sentences."""
    differences = _differences(table)
    if not differences:
        return
    names: dict[Verdict, list[str]] = {}
    for name, difference in differences:
        names.setdefault(verdict(difference, comparisons=comparisons), []).append(name)
    significant = _list(names.get(Verdict.RECIPES_DIFFER, []))
    yield f"Significant, also for other seeds and starts: {significant} of {len(differences)} differences."
    if uncorrected := names.get(Verdict.RECIPES_DIFFER_UNCORRECTED):
        yield f"Significant only without correction for the number of comparisons: {_list(uncorrected)}."
    if policies := names.get(Verdict.POLICIES_DIFFER):
        yield f"Significant for these policies only: {_list(policies)}."
    if table.seeds > 1:
        yield (
            "Δ: difference to the full recipe in points, paired by seed and start; its 95% interval is for other seeds "
            "and other starts, as in vla-rl-bench compare."
        )
    else:
        yield (
            "Δ: difference to the full recipe in points, paired by start; its 95% interval is for other starts. One "
            "seed says nothing about other seeds."
        )
    chance = decimal_text(Fraction(expected_by_chance(comparisons)).limit_denominator(1000))
    yield (
        f"{comparisons} differences are compared; if no recipes differed, about {chance} of their intervals would "
        "still exclude 0."
    )
    for outcome, meaning in _MEANINGS.items():
        if outcome in names:
            yield f"{VERDICT_MARKS[outcome]} {meaning}."


def _list(names: Sequence[str]) -> str:
    """``2 (a=1 on object, −4.0; b=off on Avg, +3.0)``; many are only counted; ``none``."""
    return f"{len(names)} ({'; '.join(names)})" if 0 < len(names) <= NAMED else str(len(names) or "none")
