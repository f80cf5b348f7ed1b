"""Evaluated episodes and a suite -> the suite's table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.statistics.comparison import Difference, Pair, start_counts
from vla_rl_bench.analysis.statistics.intervals import Cluster, Interval
from vla_rl_bench.analysis.tables.model import Cell, Column, Delta, Measured, Row, Section, Table
from vla_rl_bench.config.schema import MAIN, UNSEEN, EvaluationConfig, Suite, sampling_name
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.records.frame import protocols

if TYPE_CHECKING:
    import pandas as pd

Place = tuple[str, str, int]
"""Arm, column, seed: what one run fills."""

Starts = Mapping[tuple[int, int], Cluster]
"""(task, start index) -> what its episodes gave, over all seeds and rollouts."""


@dataclass(frozen=True)
class Selection:
    """Which final evaluation fills the table."""

    evaluation: str
    sampling: str


def selections(suite: Suite) -> list[Selection]:
    """Every evaluation that the suite asks for, the table's own first."""
    found = [Selection("main", suite.evaluation.table)]
    named = [(MAIN, suite.evaluation), *([(UNSEEN, suite.evaluation)] if suite.unseen else [])]
    for name, evaluation in [*named, *((extra.name, extra) for extra in suite.extra_evaluations)]:
        found += [Selection(name, sampling_name(sampling)) for sampling in evaluation.sampling]
    return list(dict.fromkeys(found))


def select(suite: Suite, evaluation: str | None = None, sampling: str | None = None) -> Selection:
    """The selection that a user names; by default the suite's own."""
    known = selections(suite)
    name = evaluation or "main"
    of_name = [selection.sampling for selection in known if selection.evaluation == name]
    if not of_name:
        names = {selection.evaluation for selection in known}
        raise UserError(f"{suite.name}: no evaluation `{name}`.{did_you_mean(name, names)}")
    extras = {extra.name: extra.table for extra in suite.extra_evaluations}
    chosen = sampling or extras.get(name, suite.evaluation.table)
    if chosen not in of_name:
        raise UserError(f"{suite.name}: evaluation `{name}` has no sampling `{chosen}`.{did_you_mean(chosen, of_name)}")
    return Selection(name, chosen)


def build_table(
    frame: pd.DataFrame, suite: Suite, selection: Selection | None = None, *, limited: Collection[Place] = ()
) -> Table:
    """Arms as rows, each followed by its differences; task suites as columns, pooled over seeds.

    A cell holds what all the suite's seeds gave; with a seed missing it is empty, since pooling what happens to be
    there would compare arms on different seeds.  Several differences (an ablation's) show their intervals at once.
    limited: runs that were cut short with ``--limit``; they are not in `frame`; a note says where they leave gaps.
    """
    chosen = selection or select(suite)
    episodes = final_episodes(frame, suite, chosen)
    unlike = incomparable(episodes, suite)
    columns = tuple(Column(column, comparable=column not in unlike) for column in suite.columns)
    if suite.table.average:
        columns += (Column("Avg", mean_of=tuple(range(len(suite.columns)))),)
    title, label = title_and_label(suite, chosen)
    return Table(
        title=title,
        columns=columns,
        sections=(Section(tuple(_lines(episodes, suite))),),
        label=label,
        notes=(*notes(episodes, suite, chosen), *_left_out(episodes, limited)),
        delta_intervals=len(suite.table.delta) > 1,
    )


def title_and_label(suite: Suite, selection: Selection) -> tuple[str, str]:
    """Title and label of a suite's table; they name the evaluation unless it is the suite's own.

    The parts of a label are separated by colons, which no name has, so that labels of two suites differ.
    """
    title, label = suite.title or suite.name, f"tab:{suite.name}"
    if selection == select(suite):
        return title, label
    parts = [selection.sampling] if selection.evaluation == MAIN else [selection.evaluation, selection.sampling]
    return f"{title} ({', '.join(parts)})", ":".join([label, *parts])


def _lines(episodes: pd.DataFrame, suite: Suite) -> Iterator[Row | Delta]:
    for arm in suite.arms:
        yield Row(arm.title or arm.name, tuple(_cell(episodes, suite, arm.name, column) for column in suite.columns))
        yield from (_delta(episodes, suite, pair) for pair in suite.table.delta if pair[0] == arm.name)


def final_episodes(frame: pd.DataFrame, suite: Suite, selection: Selection) -> pd.DataFrame:
    """The episodes that the selection means, of the suite's own arms, columns and seeds; one protocol a column."""
    episodes = frame[
        frame["iteration"].isna()
        & (frame["evaluation"] == selection.evaluation)
        & (frame["sampling"] == selection.sampling)
        & frame["arm"].isin([arm.name for arm in suite.arms])
        & frame["column"].isin(suite.columns)
        & frame["seed"].isin(suite.seeds)
    ]
    protocols(episodes)
    return episodes


def by_start(episodes: pd.DataFrame) -> Starts:
    """Successes and episodes on each start, over all seeds and rollouts: the clusters of every interval."""
    grouped = episodes.groupby(["task", "start"])["success"].agg(["sum", "size"])
    return {(int(task), int(start)): (int(k), int(n)) for (task, start), k, n in grouped.itertuples()}


def _of(episodes: pd.DataFrame, suite: Suite, arm: str, column: str) -> pd.DataFrame | None:
    """The episodes of a cell, or None unless every seed of the suite is there."""
    part = episodes[(episodes["arm"] == arm) & (episodes["column"] == column)]
    return part if set(part["seed"]) == set(suite.seeds) else None


def _cell(episodes: pd.DataFrame, suite: Suite, arm: str, column: str) -> Cell:
    part = _of(episodes, suite, arm, column)
    if part is None:
        return None
    counts = start_counts(part)
    seeds = zip(counts.successes.sum(axis=1), counts.episodes.sum(axis=1), strict=True)
    return Measured(counts.pooled, tuple(Fraction(int(k), int(n)) for k, n in seeds))


def _delta(episodes: pd.DataFrame, suite: Suite, pair: tuple[str, str]) -> Delta:
    minuend, subtrahend = (_index(suite, name) for name in pair)
    other = suite.arms[subtrahend]
    title = "Δ" if len(suite.table.delta) == 1 else f"Δ to {other.title or other.name}"
    pairs = [_pair(episodes, suite, pair, column) for column in suite.columns]

    @cache
    def joint(places: tuple[int, ...]) -> Interval | None:
        """The interval of one column, or of a mean over columns; a bootstrap is sampled once for each."""
        present = [pair for pair in (pairs[place] for place in places) if pair is not None]
        return Difference(tuple(present)).interval if present and len(present) == len(places) else None

    intervals = tuple(joint((place,)) for place in range(len(pairs)))
    return Delta(title, minuend, subtrahend, intervals, lambda places: joint(tuple(places)))


def _index(suite: Suite, arm: str) -> int:
    return [other.name for other in suite.arms].index(arm)


def _pair(episodes: pd.DataFrame, suite: Suite, pair: tuple[str, str], column: str) -> Pair | None:
    """The counts of the subtrahend and of the minuend; None if either cell is empty."""
    minuend, subtrahend = (_of(episodes, suite, arm, column) for arm in pair)
    return None if minuend is None or subtrahend is None else (start_counts(subtrahend), start_counts(minuend))


def notes(episodes: pd.DataFrame, suite: Suite, selection: Selection) -> tuple[str, ...]:
    """How it was measured, in sentences."""
    if not len(episodes):
        return ("No complete run yet.",)
    lines = [
        _protocol(episodes, suite),
        _how_evaluated(episodes, suite, selection),
        f"Seeds: {', '.join(map(str, suite.seeds))}.",
    ]
    if unlike := incomparable(episodes, suite):
        where = "" if set(unlike) == set(episodes["column"]) else f" ({', '.join(unlike)})"
        lines.append(f"Not comparable with published results{where}: the environment or its starts differ.")
    starts = evaluation_of(suite, selection).starts
    if starts != "held-out":
        lines.append(f"Measured on {starts} starts, which policies may have been trained on: not held out.")
    if selection.evaluation == UNSEEN:
        named = [(column, suite.unseen[column]) for column in suite.columns if column in suite.unseen]
        left_out = "; ".join(f"{column} {', '.join(map(str, tasks))}" for column, tasks in named)
        lines.append(f"Tasks that are left out of training: {left_out}.")
    absent = len(suite.arms) * len(suite.columns) * len(suite.seeds) - episodes["run"].nunique()
    if absent > 0:
        verb = "is" if absent == 1 else "are"
        lines.append(f"{absent} of the suite's runs {verb} missing: a cell without all its seeds is empty.")
    return tuple(lines)


def incomparable(episodes: pd.DataFrame, suite: Suite) -> list[str]:
    """The columns whose environment says that it is not what published numbers were measured in."""
    unlike = set(episodes.loc[~episodes["comparable"].astype(bool), "column"])
    return [column for column in suite.columns if column in unlike]


def evaluation_of(suite: Suite, selection: Selection) -> EvaluationConfig:
    """The suite's own evaluation, or one of its extra ones."""
    extra = {extra.name: extra for extra in suite.extra_evaluations}
    return extra.get(selection.evaluation, suite.evaluation)


def _left_out(episodes: pd.DataFrame, limited: Collection[Place]) -> tuple[str, ...]:
    there = set(episodes[["arm", "column", "seed"]].itertuples(index=False, name=None))
    gaps = len(set(limited) - there)
    runs = "1 run was" if gaps == 1 else f"{gaps} runs were"
    return (f"{runs} cut short with --limit, and left out.",) if gaps else ()


def _protocol(episodes: pd.DataFrame, suite: Suite) -> str:
    """One for all columns, or each with its columns."""
    by_column = protocols(episodes)
    columns: dict[str, list[str]] = {}
    for column in suite.columns:
        if column in by_column:
            columns.setdefault(by_column[column], []).append(column)
    if len(columns) == 1:
        return f"Protocol: {next(iter(columns))}."
    return "Protocols: " + "; ".join(f"{name} ({', '.join(of)})" for name, of in columns.items()) + "."


def starts_per_task(episodes: pd.DataFrame, evaluation: EvaluationConfig) -> str:
    """Say how many starts of a task were evaluated, and what the suite asks for if that differs.

    Earlier versions evaluated no more than the split has, whatever the suite asked for.
    """
    counts = episodes.groupby(["run", "task"])["start"].nunique()
    fewest, most = (int(counts.min()), int(counts.max())) if len(counts) else (evaluation.per_task,) * 2
    number = str(most) if fewest == most else f"{fewest} to {most}"
    text = f"{number} {evaluation.starts} starts a task"
    return text if fewest == most == evaluation.per_task else f"{text} (the suite asks for {evaluation.per_task})"


def _how_evaluated(episodes: pd.DataFrame, suite: Suite, selection: Selection) -> str:
    evaluation = evaluation_of(suite, selection)
    name = "" if selection.evaluation == "main" else f"Evaluation `{selection.evaluation}`: "
    sampling = selection.sampling if selection.sampling == "greedy" else f"sampled at {selection.sampling}"
    sentence = f"{name}success in %, {sampling}, {starts_per_task(episodes, evaluation)}."
    return sentence[0].upper() + sentence[1:]
