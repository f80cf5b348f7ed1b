"""An ablation's tables: each variant's difference to its full recipe, its interval, and its verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.statistics.comparison import (
    Comparison,
    Difference,
    StartCounts,
    common_start_counts,
    compare,
)
from vla_rl_bench.analysis.statistics.intervals import decimal_text, interval_text, points_text
from vla_rl_bench.analysis.statistics.verdict import Verdict, expected_by_chance, verdict
from vla_rl_bench.analysis.tables.build import Selection, final_episodes, notes, selections, title_and_label
from vla_rl_bench.analysis.tables.cells import MINUS, MISSING, in_detail
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.latex_text import latex_text
from vla_rl_bench.analysis.tables.markdown import grid, markdown
from vla_rl_bench.analysis.tables.report import suite_tables, write_files
from vla_rl_bench.analysis.tables.templating import template
from vla_rl_bench.config.ablation import variant_label
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, run_folders

if TYPE_CHECKING:
    import pandas as pd

HEADER = ("success %", "Δ", "95% interval", "significant")
WORDS = {
    Verdict.RECIPES_DIFFER: "yes",
    Verdict.RECIPES_DIFFER_UNCORRECTED: "uncorrected",
    Verdict.POLICIES_DIFFER: "these policies",
    Verdict.NO_DIFFERENCE: "no",
}
AVERAGE = "Average"
NAMED = 4  # differences that a sentence still lists


@dataclass(frozen=True)
class Line:
    """An arm on one column, or on the average of all."""

    title: str
    full: bool  # a full recipe, not a variant of one
    rate: Fraction | None  # in [0, 1]; None if a seed is missing
    difference: Difference | None = None
    verdict: Verdict | None = None

    @property
    def texts(self) -> list[str]:
        rate = MISSING if self.rate is None else points_text(self.rate)
        if self.full:
            return [rate, "", "", ""]
        if self.difference is None or self.verdict is None:
            return [rate, MISSING, MISSING, MISSING]
        points = points_text(self.difference.value, signed=True)
        interval = interval_text(self.difference.interval, signed=True)
        return [rate, points.replace("-", MINUS), interval.replace("-", MINUS), WORDS[self.verdict]]


@dataclass(frozen=True)
class AblationTable:
    """sections: a column, or the average of all, with its lines."""

    title: str
    label: str
    sections: tuple[tuple[str, tuple[Line, ...]], ...]
    notes: tuple[str, ...]

    @property
    def differences(self) -> list[tuple[str, Line]]:
        """The lines that have a difference, each with its column."""
        return [(column, line) for column, lines in self.sections for line in lines if line.verdict is not None]


def write_ablation(folder: Path, suite: Suite, run_ids: Collection[str] | None = None) -> list[Path]:
    """Write ``ablation.md``, ``ablation.tex`` and ``ablations/``, each table in a file of its own -> their paths.

    suite: as `ablation_suite` makes it.  For each evaluation the differences, then the counts with their intervals and
    what each arm gave over seeds.
    """
    frame = episodes_frame(run_folders(folder), run_ids)
    plain = suite.model_copy(update={"table": suite.table.model_copy(update={"delta": ()})})
    details = [[replace(part, label=f"{part.label}:ablation") for part in in_detail(one)[1:]] for one in
               suite_tables(frame, plain)]  # fmt: skip
    markdowns: list[str] = []
    latexes: dict[str, str] = {}
    for table, further in zip(ablation_tables(frame, suite), details, strict=True):
        markdowns += [as_markdown(table), *map(markdown, further)]
        latexes |= {table.label: as_latex(table), **{part.label: latex(part) for part in further}}
    return write_files(folder, "ablation", markdowns, latexes)


def ablation_tables(frame: pd.DataFrame, suite: Suite) -> list[AblationTable]:
    """A table for the suite's own evaluation, then one for each other that has been measured."""
    main, *others = selections(suite)
    measured = [main, *(one for one in others if len(final_episodes(frame, suite, one)))]
    found = [_Measured(suite, final_episodes(frame, suite, one)) for one in measured]
    comparisons = sum(evaluation.comparisons for evaluation in found)
    return [_table(evaluation, selection, comparisons) for evaluation, selection in zip(found, measured, strict=True)]


# -- what stands in it


class _Measured:
    """One evaluation of all arms."""

    def __init__(self, suite: Suite, episodes: pd.DataFrame) -> None:
        self.suite, self.episodes = suite, episodes
        self.outcomes = {(arm.name, column): self._outcomes(arm.name, column) for arm in suite.arms
                         for column in suite.columns}  # fmt: skip
        self.compared = {variant: self._compare(full, variant) for variant, full in suite.table.delta}

    @property
    def comparisons(self) -> int:
        """The number of differences that it shows."""
        present = [comparison for comparison in self.compared.values() if comparison is not None]
        return sum(len(comparison.columns) + self._has_average(comparison) for comparison in present)

    @property
    def averaged(self) -> bool:
        return self.suite.table.average and len(self.suite.columns) > 1

    def _has_average(self, compared: Comparison) -> bool:
        return self.averaged and len(compared.columns) == len(self.suite.columns)

    def _outcomes(self, arm: str, column: str) -> StartCounts | None:
        """None unless every seed of the suite is there."""
        part = self.episodes[(self.episodes["arm"] == arm) & (self.episodes["column"] == column)]
        return common_start_counts(part) if set(part["seed"]) == set(self.suite.seeds) else None

    def _compare(self, full: str, variant: str) -> Comparison | None:
        """On the columns that both have."""
        columns = {}
        for column in self.suite.columns:
            first, second = self.outcomes[full, column], self.outcomes[variant, column]
            if first is not None and second is not None:
                columns[column] = (first, second)
        return compare(columns) if columns else None

    def rate(self, arm: str, columns: Sequence[str]) -> Fraction | None:
        """The mean over columns; None where one is missing."""
        found = [self.outcomes[arm, column] for column in columns]
        there = [Fraction(int(one.successes.sum()), int(one.episodes.sum())) for one in found if one is not None]
        return mean(there) if len(there) == len(found) else None

    def difference(self, variant: str, column: str | None) -> Difference | None:
        """column: None for the average of all."""
        compared = self.compared.get(variant)
        if compared is None:
            return None
        if column is None:
            return compared.mean if self._has_average(compared) else None
        return compared.columns.get(column)


def _table(measured: _Measured, selection: Selection, comparisons: int) -> AblationTable:
    suite = measured.suite
    sections = [(column, tuple(_lines(measured, column, comparisons))) for column in suite.columns]
    if measured.averaged:
        sections.append((AVERAGE, tuple(_lines(measured, None, comparisons))))
    title, label = title_and_label(suite, selection)
    table = AblationTable(title, f"{label}:ablation", tuple(sections), ())
    return replace(table, notes=(*_conclusions(table, comparisons, suite), *notes(measured.episodes, suite, selection)))


def _lines(measured: _Measured, column: str | None, comparisons: int) -> Iterator[Line]:
    """Each full recipe, then its variants."""
    suite, full_of = measured.suite, dict(measured.suite.table.delta)
    columns = suite.columns if column is None else [column]
    for arm in suite.arms:
        if arm.name in full_of:
            continue
        yield Line(arm.title or arm.name, True, measured.rate(arm.name, columns))
        for variant in (variant for variant in suite.arms if full_of.get(variant.name) == arm.name):
            difference = measured.difference(variant.name, column)
            judged = None if difference is None else verdict(difference, comparisons=comparisons)
            rate = measured.rate(variant.name, columns)
            yield Line(variant_label(suite, variant), False, rate, difference, judged)


def _conclusions(table: AblationTable, comparisons: int, suite: Suite) -> Iterator[str]:
    """The notes on significance, in sentences."""
    differences = table.differences
    if not differences:
        return
    recipes = _named(differences, Verdict.RECIPES_DIFFER) or "none"
    yield f"Significant, also for other seeds and starts: {recipes} of {len(differences)} differences."
    if uncorrected := _named(differences, Verdict.RECIPES_DIFFER_UNCORRECTED):
        yield f"Significant only without correction for the number of comparisons: {uncorrected}."
    if policies := _named(differences, Verdict.POLICIES_DIFFER):
        yield f"Significant for these policies only: {policies}."
    if len(suite.seeds) > 1:
        yield (
            "Δ: points above the full recipe, paired by seed and start; its 95% interval is for other seeds and other "
            "starts, as in vla-rl-bench compare."
        )
    else:
        yield (
            "Δ: points above the full recipe, paired by start; its 95% interval is for other starts. One seed says "
            "nothing about other seeds."
        )
    chance = decimal_text(Fraction(expected_by_chance(comparisons)).limit_denominator(1000))
    yield (
        f"{comparisons} differences are compared; if none of them were real, about {chance} of the intervals would "
        "still exclude 0. Significant, yes: the interval at 95% for all comparisons together (Bonferroni) excludes 0; "
        "uncorrected: only the printed interval does; these policies: these policies differ, but trained with other "
        "seeds they may not; no: none of these."
    )


def _named(differences: Sequence[tuple[str, Line]], verdict: Verdict) -> str:
    """``2 (a=1 on object, −4.0; b=off on Average, +3.0)``; many are only counted; empty for none."""
    names = [f"{line.title} on {column}, {line.texts[1]}" for column, line in differences if line.verdict is verdict]
    return f"{len(names)} ({'; '.join(names)})" if 0 < len(names) <= NAMED else str(len(names) or "")


# -- how it is set


def as_markdown(table: AblationTable) -> str:
    cells = [["Recipe", *HEADER]]
    for column, lines in table.sections:
        cells.append([f"*{column}*", *[""] * len(HEADER)])
        cells += [[line.title if line.full else f"- {line.title}", *line.texts] for line in lines]
    rendered = template("markdown.md.j2").render(title=table.title, stacks=[("", grid(cells))], notes=table.notes)
    return rendered.rstrip("\n") + "\n"


def as_latex(table: AblationTable) -> str:
    header = ["Recipe", *HEADER]
    lines = [" & ".join(map(latex_text, header)) + r" \\"]
    for column, rows in table.sections:
        lines += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{c}}{{\textit{{{latex_text(column)}}}}} \\"]
        for line in rows:
            texts = [line.title, *line.texts]
            start = "" if line.full else r"\quad "
            lines.append(start + " & ".join(r"{}" + latex_text(text) if text[:1] == "[" else latex_text(text) for text
                                            in texts) + r" \\")  # fmt: skip
    rendered = template("latex.tex.j2").render(
        title=latex_text(table.title),
        label=table.label,
        alignment="lrrrl",
        lines=lines,
        notes=[latex_text(note) for note in table.notes],
    )
    return rendered.rstrip("\n") + "\n"
