"""The table of a suite, from its evaluated episodes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.statistics.comparison import Difference, Pair, start_counts
from vla_rl_bench.analysis.statistics.intervals import Cluster
from vla_rl_bench.analysis.tables.model import Cell, Column, Delta, Measured, Row, Section, Table
from vla_rl_bench.config.changes import Change, changes_note, folder_name
from vla_rl_bench.config.schema import GREEDY, MAIN, UNSEEN, EvaluationConfig, Suite, sampling_name
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.records.frame import protocols

if TYPE_CHECKING:
    import pandas as pd

Place = tuple[str, str, int]
"""Arm, column and seed of a run."""

Starts = Mapping[tuple[int, int], Cluster]
"""Successes and episodes by (task, start index), over all seeds and rollouts."""


@dataclass(frozen=True)
class Selection:
    """The final evaluation that a table shows."""

    evaluation: str
    sampling: str


def selections(suite: Suite) -> list[Selection]:
    """Every evaluation that the suite asks for, the table's own first."""
    chosen = [Selection(MAIN, suite.evaluation.table)]
    evaluations = [(MAIN, suite.evaluation), *([(UNSEEN, suite.evaluation)] if suite.unseen else [])]
    for name, evaluation in [*evaluations, *((extra.name, extra) for extra in suite.extra_evaluations)]:
        chosen += [Selection(name, sampling_name(sampling)) for sampling in evaluation.sampling]
    return list(dict.fromkeys(chosen))


def select_evaluation(suite: Suite, evaluation: str | None = None, sampling: str | None = None) -> Selection:
    """The selection that a user names; by default the suite's own."""
    name = evaluation or MAIN
    samplings = [selection.sampling for selection in selections(suite) if selection.evaluation == name]
    if not samplings:
        names = {selection.evaluation for selection in selections(suite)}
        raise UserError(f"{suite.name}: no evaluation `{name}`.{did_you_mean(name, names)}")
    extras = {extra.name: extra.table for extra in suite.extra_evaluations}
    sampling = sampling or extras.get(name, suite.evaluation.table)
    if sampling not in samplings:
        raise UserError(
            f"{suite.name}: evaluation `{name}` has no sampling `{sampling}`.{did_you_mean(sampling, samplings)}"
        )
    return Selection(name, sampling)


def build_table(
    frame: pd.DataFrame, suite: Suite, selection: Selection | None = None, *, limited: Collection[Place] = ()
) -> Table:
    """Arms as rows, each followed by its differences; task suites as columns, pooled over seeds.

    A cell pools all seeds of the suite; it is empty if one is missing, since arms would be compared on different seeds.
    Several differences (an ablation's) have their intervals in the table itself.

    Args:
        frame: Episodes of complete runs.
        suite: The suite.
        selection: The evaluation to show; None: the suite's own.
        limited: Runs that were shortened with ``--limit``, which are not in `frame`; a note counts them.
    """
    selection = selection or select_evaluation(suite)
    episodes = final_episodes(frame, suite, selection)
    unlike = incomparable(episodes, suite)
    columns = tuple(Column(column, comparable=column not in unlike) for column in suite.columns)
    if suite.table.average:
        columns += (Column("Avg", mean_of=tuple(range(len(suite.columns)))),)
    title, label = title_and_label(suite, selection)
    return Table(
        title=title,
        columns=columns,
        sections=(Section(tuple(_lines(episodes, suite))),),
        label=label,
        notes=(*notes(episodes, suite, selection), *_limited_note(episodes, limited)),
        delta_intervals=len(suite.table.delta) > 1,
    )


def title_and_label(suite: Suite, selection: Selection) -> tuple[str, str]:
    """Title and label of a suite's table; they name the evaluation unless it is the suite's own.

    Colons separate the parts of a label; no name has one, so labels of two suites differ.
    """
    title, label = suite.title or suite.name, f"tab:{suite.name}"
    if selection == select_evaluation(suite):
        return title, label
    parts = [selection.sampling] if selection.evaluation == MAIN else [selection.evaluation, selection.sampling]
    return f"{title} ({', '.join(parts)})", ":".join([label, *parts])


def with_changes(table: Table, changes: Sequence[Change]) -> Table:
    """Add a note of the changes against the suite file, and the changes to the label."""
    if not changes:
        return table
    label, notes = f"{table.label}:{folder_name(changes)}", (*table.notes, changes_note(changes))
    return replace(table, label=label, notes=notes)


def _lines(episodes: pd.DataFrame, suite: Suite) -> Iterator[Row | Delta]:
    for arm in suite.arms:
        yield Row(arm.title or arm.name, tuple(_cell(episodes, suite, arm.name, column) for column in suite.columns))
        yield from (_delta(episodes, suite, pair) for pair in suite.table.delta if pair[0] == arm.name)


def final_episodes(frame: pd.DataFrame, suite: Suite, selection: Selection) -> pd.DataFrame:
    """The episodes of a selection, of the suite's arms, columns and seeds; each column has one protocol."""
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


def _cell_episodes(episodes: pd.DataFrame, suite: Suite, arm: str, column: str) -> pd.DataFrame | None:
    """The episodes of a cell; None if a seed of the suite is missing."""
    part = episodes[(episodes["arm"] == arm) & (episodes["column"] == column)]
    return part if set(part["seed"]) == set(suite.seeds) else None


def _cell(episodes: pd.DataFrame, suite: Suite, arm: str, column: str) -> Cell:
    part = _cell_episodes(episodes, suite, arm, column)
    if part is None:
        return None
    counts = start_counts(part)
    seeds = zip(counts.successes.sum(axis=1), counts.episodes.sum(axis=1), strict=True)
    return Measured(counts.pooled, tuple(Fraction(int(k), int(n)) for k, n in seeds))


def _delta(episodes: pd.DataFrame, suite: Suite, names: tuple[str, str]) -> Delta:
    indices = {arm.name: index for index, arm in enumerate(suite.arms)}
    minuend, subtrahend = (indices[name] for name in names)
    baseline = suite.arms[subtrahend]
    title = "Δ" if len(suite.table.delta) == 1 else f"Δ to {baseline.title or baseline.name}"
    pairs = [_pair(episodes, suite, names, column) for column in suite.columns]

    @cache  # a bootstrap is sampled once for each
    def difference(columns: tuple[int, ...]) -> Difference | None:
        complete = [pair for pair in (pairs[column] for column in columns) if pair is not None]
        return Difference(tuple(complete)) if len(complete) == len(columns) else None

    return Delta(title, minuend, subtrahend, lambda cells: difference(tuple(cells)))


def _pair(episodes: pd.DataFrame, suite: Suite, names: tuple[str, str], column: str) -> Pair | None:
    """The counts of the subtrahend and of the minuend; None if either cell is empty."""
    minuend, subtrahend = (_cell_episodes(episodes, suite, arm, column) for arm in names)
    return None if minuend is None or subtrahend is None else (start_counts(subtrahend), start_counts(minuend))


def notes(episodes: pd.DataFrame, suite: Suite, selection: Selection) -> tuple[str, ...]:
    """The conditions of the measurement, in sentences."""
    if not len(episodes):
        return ("No complete run with this evaluation yet.",)
    sentences = [
        _protocol_note(episodes, suite),
        _evaluation_note(episodes, suite, selection),
        f"Seeds: {', '.join(map(str, suite.seeds))}.",
    ]
    if unlike := incomparable(episodes, suite):
        names = "" if set(unlike) == set(episodes["column"]) else f" ({', '.join(unlike)})"
        sentences.append(f"Not comparable with published results{names}: the environment or its starts differ.")
    starts = evaluation_of(suite, selection).starts
    if starts != "held-out":
        sentences.append(f"Measured on {starts} starts, not on held-out ones: policies may have been trained on them.")
    if selection.evaluation == UNSEEN:
        tasks = [(column, suite.unseen[column]) for column in suite.columns if column in suite.unseen]
        unseen = "; ".join(f"{column} {', '.join(map(str, indices))}" for column, indices in tasks)
        sentences.append(f"Tasks that are left out of training: {unseen}.")
    absent = len(suite.arms) * len(suite.columns) * len(suite.seeds) - episodes["run"].nunique()
    if absent > 0:
        verb = "is" if absent == 1 else "are"
        sentences.append(
            f"{absent} of the suite's runs {verb} missing, or not evaluated so: a cell without all its seeds is empty."
        )
    return tuple(sentences)


def incomparable(episodes: pd.DataFrame, suite: Suite) -> list[str]:
    """The columns whose environment declares that it differs from that of published numbers."""
    unlike = set(episodes.loc[~episodes["comparable"].astype(bool), "column"])
    return [column for column in suite.columns if column in unlike]


def evaluation_of(suite: Suite, selection: Selection) -> EvaluationConfig:
    """The suite's own evaluation, or one of its extra ones."""
    extra = {extra.name: extra for extra in suite.extra_evaluations}
    return extra.get(selection.evaluation, suite.evaluation)


def _limited_note(episodes: pd.DataFrame, limited: Collection[Place]) -> tuple[str, ...]:
    complete = set(episodes[["arm", "column", "seed"]].itertuples(index=False, name=None))
    gaps = len(set(limited) - complete)
    runs = "1 run was" if gaps == 1 else f"{gaps} runs were"
    return (f"{runs} shortened with --limit, and not counted.",) if gaps else ()


def _protocol_note(episodes: pd.DataFrame, suite: Suite) -> str:
    """The protocol of all columns, or each protocol with its columns."""
    by_column = protocols(episodes)
    columns: dict[str, list[str]] = {}
    for column in suite.columns:
        if column in by_column:
            columns.setdefault(by_column[column], []).append(column)
    if len(columns) == 1:
        return f"Protocol: {next(iter(columns))}."
    return "Protocols: " + "; ".join(f"{name} ({', '.join(members)})" for name, members in columns.items()) + "."


def starts_per_task(episodes: pd.DataFrame, evaluation: EvaluationConfig) -> str:
    """Say how many starts of a task were evaluated, and what the suite asks for if that differs.

    Earlier versions evaluated no more than the split has, whatever the suite asked for.
    """
    counts = episodes.groupby(["run", "task"])["start"].nunique()
    fewest, most = (int(counts.min()), int(counts.max())) if len(counts) else (evaluation.per_task,) * 2
    number = str(most) if fewest == most else f"{fewest} to {most}"
    text = f"{number} {evaluation.starts} starts a task"
    return text if fewest == most == evaluation.per_task else f"{text} (the suite asks for {evaluation.per_task})"


def _evaluation_note(episodes: pd.DataFrame, suite: Suite, selection: Selection) -> str:
    evaluation = evaluation_of(suite, selection)
    name = "" if selection.evaluation == MAIN else f"Evaluation `{selection.evaluation}`: "
    sampling = selection.sampling if selection.sampling == GREEDY else f"sampled at {selection.sampling}"
    sentence = f"{name}success in %, {sampling}, {starts_per_task(episodes, evaluation)}."
    return sentence[0].upper() + sentence[1:]
