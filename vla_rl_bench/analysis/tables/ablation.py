"""An ablation's tables: each variant's difference to its full recipe, its interval, and if it is more than noise."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.statistics.comparison import Comparison, Outcomes, compare, outcomes
from vla_rl_bench.analysis.statistics.intervals import decimal
from vla_rl_bench.analysis.statistics.looks import Look, Told, expected_by_chance, look
from vla_rl_bench.analysis.statistics.verdict import points, signed
from vla_rl_bench.analysis.tables.build import Selection, final_episodes, notes, selections, title_and_label
from vla_rl_bench.analysis.tables.cells import MISSING, in_detail
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

HEADER = ("success %", "Δ", "95% interval", "told from noise")
AVERAGE = "Average"
NAMED = 4  # differences that a sentence still lists


@dataclass(frozen=True)
class Line:
    """An arm on one column.  full: no variant of another.  rate: in [0, 1]; None where a seed is missing."""

    title: str
    full: bool
    rate: Fraction | None
    look: Look | None = None

    @property
    def texts(self) -> list[str]:
        rate = MISSING if self.rate is None else decimal(100 * self.rate)
        if self.full:
            return [rate, "", "", ""]
        if self.look is None:
            return [rate, MISSING, MISSING, MISSING]
        gap = points(self.look.difference)
        sign = "" if gap.startswith("-") or gap == "0.0" else "+"
        return [rate, _minus(sign + gap), _minus(signed(self.look.interval)), self.look.told]


@dataclass(frozen=True)
class AblationTable:
    """sections: a column, or the average of all, with its lines."""

    title: str
    label: str
    sections: tuple[tuple[str, tuple[Line, ...]], ...]
    notes: tuple[str, ...]

    @property
    def looks(self) -> list[tuple[str, Line]]:
        """Each difference with its column."""
        return [(column, line) for column, lines in self.sections for line in lines if line.look is not None]


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
    looks = sum(one.looks for one in found)
    return [_table(one, selection, looks) for one, selection in zip(found, measured, strict=True)]


# -- what stands in it


class _Measured:
    """One evaluation of all arms."""

    def __init__(self, suite: Suite, episodes: pd.DataFrame) -> None:
        self.suite, self.episodes = suite, episodes
        self.outcomes = {(arm.name, column): self._outcomes(arm.name, column) for arm in suite.arms
                         for column in suite.columns}  # fmt: skip
        self.compared = {variant: self._compare(full, variant) for variant, full in suite.table.delta}

    @property
    def looks(self) -> int:
        """How many differences it shows."""
        return sum(len(one.columns) + self._has_average(one) for one in self.compared.values() if one is not None)

    @property
    def averaged(self) -> bool:
        return self.suite.table.average and len(self.suite.columns) > 1

    def _has_average(self, compared: Comparison) -> bool:
        return self.averaged and len(compared.columns) == len(self.suite.columns)

    def _outcomes(self, arm: str, column: str) -> Outcomes | None:
        """None unless every seed of the suite is there."""
        part = self.episodes[(self.episodes["arm"] == arm) & (self.episodes["column"] == column)]
        return outcomes(part) if set(part["seed"]) == set(self.suite.seeds) else None

    def _compare(self, full: str, variant: str) -> Comparison | None:
        """On the columns that both have."""
        columns = []
        for column in self.suite.columns:
            first, second = self.outcomes[full, column], self.outcomes[variant, column]
            if first is not None and second is not None:
                columns.append((column, first, second))
        return compare(columns) if columns else None

    def rate(self, arm: str, columns: Sequence[str]) -> Fraction | None:
        """The mean over columns; None where one is missing."""
        found = [self.outcomes[arm, column] for column in columns]
        there = [Fraction(int(one.successes.sum()), int(one.episodes.sum())) for one in found if one is not None]
        return mean(there) if len(there) == len(found) else None

    def look(self, variant: str, column: str | None, looks: int) -> Look | None:
        """column: None for the average of all."""
        compared = self.compared.get(variant)
        if compared is None:
            return None
        if column is None:
            return look(compared, looks) if self._has_average(compared) else None
        return next((look(gap, looks) for gap in compared.columns if gap.column == column), None)


def _table(measured: _Measured, selection: Selection, looks: int) -> AblationTable:
    suite = measured.suite
    sections = [(column, tuple(_lines(measured, column, looks))) for column in suite.columns]
    if measured.averaged:
        sections.append((AVERAGE, tuple(_lines(measured, None, looks))))
    title, label = title_and_label(suite, selection)
    table = AblationTable(title, f"{label}:ablation", tuple(sections), ())
    return replace(table, notes=(*_in_words(table, looks, suite), *notes(measured.episodes, suite, selection)))


def _lines(measured: _Measured, column: str | None, looks: int) -> Iterator[Line]:
    """Each full recipe, then its variants."""
    suite, full_of = measured.suite, dict(measured.suite.table.delta)
    columns = suite.columns if column is None else [column]
    for arm in suite.arms:
        if arm.name in full_of:
            continue
        yield Line(arm.title or arm.name, True, measured.rate(arm.name, columns))
        for variant in (one for one in suite.arms if full_of.get(one.name) == arm.name):
            found = measured.look(variant.name, column, looks)
            yield Line(variant_label(suite, variant), False, measured.rate(variant.name, columns), found)


def _in_words(table: AblationTable, looks: int, suite: Suite) -> Iterator[str]:
    found = table.looks
    if not found:
        return
    here = f"the {len(found)} differences here" if len(found) > 1 else "one difference here"
    told, alone, policies = (_that_are(found, words) for words in ("yes", "if alone", "these policies"))
    yield f"Of {here}, {told or 'none'} can be told from noise, whatever the seed."
    if policies:
        yield f"For the policies at hand only: {policies}."
    if alone:
        yield f"Looked at alone: {alone}."
    if len(suite.seeds) > 1:
        yield (
            "Δ: points above the full recipe, paired by seed and start; its 95% interval is for other seeds and other "
            "starts, as vla-rl-bench compare finds it."
        )
    else:
        yield (
            "Δ: points above the full recipe, paired by start; its 95% interval is for other starts. What another seed "
            "would give is not known."
        )
    chance = decimal(Fraction(expected_by_chance(looks)).limit_denominator(1000))
    yield (
        f"Looked at in all: {looks} differences; were none real, about {chance} of the intervals would leave out 0 all "
        "the same. Hence yes: even if all must hold together at 95% (Bonferroni); if alone: only had nothing else been "
        "looked at; these policies: those at hand differ, but trained with other seeds they may not; no: none of these."
    )


def _that_are(found: Sequence[tuple[str, Line]], words: Told) -> str:
    """``2 (a=1 on object, −4.0; b=off on Average, +3.0)``; many are only counted, and none is nothing."""
    those = [f"{line.title} on {column}, {line.texts[1]}" for column, line in found if line.texts[3] == words]
    return f"{len(those)} ({'; '.join(those)})" if 0 < len(those) <= NAMED else str(len(those) or "")


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


def _minus(text: str) -> str:
    """With the sign that tables have."""
    return text.replace("-", "−")
