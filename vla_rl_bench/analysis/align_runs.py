"""Two sides of a comparison: one protocol, one evaluation, the columns that both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.select_runs import SelectedRuns
from vla_rl_bench.analysis.statistics.comparison import Pair, common_start_counts
from vla_rl_bench.config.schema import MAIN
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record
from vla_rl_bench.records.frame import episodes_frame, protocols
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.plan import evaluation_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class AlignedRuns:
    """Two sides that may be compared."""

    first: SelectedRuns
    second: SelectedRuns
    evaluation: str  # such as main/greedy
    protocols: tuple[str, ...]
    columns: Mapping[str, Pair]  # the counts of both sides, by column
    same_recipe: bool
    notes: tuple[str, ...]  # sentences on limits of the comparison


def align_runs(
    first: SelectedRuns,
    second: SelectedRuns,
    evaluation: str | None = None,
    sampling: str | None = None,
    column: str | None = None,
) -> AlignedRuns:
    """Reduce two sides to their common columns and evaluation; different protocols are an error.

    Args:
        first: One side.
        second: The other side.
        evaluation: An extra evaluation of the suite; None: the main one.
        sampling: ``greedy`` or ``T=1``; None: greedy, or the only one that both sides have.
        column: One column; None: all that both sides have.
    """
    _check_different_runs(first, second)
    columns = _common_columns(first, second, column)
    frames = (_final_episodes(first, columns), _final_episodes(second, columns))
    measured = _common_evaluation((first, second), frames, evaluation or MAIN, sampling)
    frames = tuple(frame[frame["measured"] == measured] for frame in frames)  # type: ignore[assignment]
    pairs = {}
    for name in columns:
        counts = [common_start_counts(frame[frame["column"] == name]) for frame in frames]
        pairs[name] = (counts[0], counts[1])
    return AlignedRuns(
        first=first,
        second=second,
        evaluation=measured,
        protocols=_common_protocols((first, second), columns, [protocols(frame) for frame in frames]),
        columns=pairs,
        same_recipe=all(_recipes(first, name) == _recipes(second, name) for name in columns),
        notes=tuple(_notes(first, second, pairs)),
    )


def _check_different_runs(first: SelectedRuns, second: SelectedRuns) -> None:
    common = {path.resolve() for path, _ in first.runs} & {path.resolve() for path, _ in second.runs}
    if common:
        raise UserError(f"{first.name} and {second.name} share the run {min(common).name}; name two different sides")


def _common_columns(first: SelectedRuns, second: SelectedRuns, column: str | None) -> list[str]:
    common = [name for name in first.columns if name in second.columns]
    if not common:
        each = f"{', '.join(first.columns)} and {', '.join(second.columns)}"
        raise UserError(f"{first.name} and {second.name} have no column in common ({each}); name two of one column")
    if column is not None and column not in common:
        raise UserError(f"no column `{column}` on both sides.{did_you_mean(column, common)}")
    return common if column is None else [column]


def _final_episodes(side: SelectedRuns, columns: Sequence[str]) -> pd.DataFrame:
    """Final episodes of these columns; the column `measured` is the evaluation's name, as ``main/greedy``."""
    names = partial(evaluation_names, side.suite) if side.suite else None
    frame = episodes_frame((path for path, run in side.runs if run["column"] in columns), names=names)
    frame = frame[frame["iteration"].isna()]
    return frame.assign(measured=frame["evaluation"] + "/" + frame["sampling"])


def _common_evaluation(
    sides: Sequence[SelectedRuns], frames: Sequence[pd.DataFrame], name: str, sampling: str | None
) -> str:
    """``name/sampling``: the requested one; by default greedy, or the only one that all runs have."""
    evaluations = [_evaluations_of_all_runs(frame) for frame in frames]
    common = sorted(measured for measured in evaluations[0] & evaluations[1] if measured.startswith(f"{name}/"))
    request = f"{name}/{sampling or 'greedy'}"
    if request in common:
        return request
    if sampling is None and len(common) == 1:
        return common[0]
    each = "; ".join(
        f"{side.name} has {', '.join(sorted(names)) or 'none'}" for side, names in zip(sides, evaluations, strict=True)
    )
    raise UserError(f"no evaluation {name if sampling is None else request} on both sides: {each}")


def _evaluations_of_all_runs(frame: pd.DataFrame) -> set[str]:
    by_run = [set(map(str, measured)) for _, measured in frame.groupby("run")["measured"]]
    return set.intersection(*by_run) if by_run else set()


def _common_protocols(
    sides: Sequence[SelectedRuns], columns: Sequence[str], by_side: Sequence[Mapping[str, str]]
) -> tuple[str, ...]:
    for column in columns:
        first, second = (by_column[column] for by_column in by_side)
        if first != second:
            raise UserError(
                f"{column}: {sides[0].name} was measured under protocol {first}, {sides[1].name} under {second}; only "
                "results of one protocol can be compared. Run one of them again."
            )
    return tuple(dict.fromkeys(by_side[0][column] for column in columns))


def _recipes(side: SelectedRuns, column: str) -> set[str]:
    """The recipes of a column's runs without their seeds; a set of its own if a parent's folder is missing."""
    recipes = set()
    for path, run in side.runs:
        if run["column"] == column:
            lineage = list(_lineage(path, run))
            if None in lineage:
                return {f"unknown: {path}"}
            recipes.add(repr(lineage))
    return recipes


def _lineage(path: Path, run: Record) -> Iterator[list[tuple[str, object]] | None]:
    """A run's recipe and its parents', each without what depends on the seed; None for a missing record."""
    recipe = run.get("recipe")
    if recipe is None:
        yield None
        return
    yield sorted((key, value) for key, value in recipe.items() if key not in ("seed", "parent"))
    if recipe.get("parent"):
        parent = path.parent / recipe["parent"]
        yield from _lineage(parent, RunFolder(parent).read())


def _notes(first: SelectedRuns, second: SelectedRuns, pairs: Mapping[str, Pair]) -> Iterator[str]:
    for name, pair in pairs.items():
        played = [len(side.starts) for side in pair]
        common = len(set(pair[0].starts) & set(pair[1].starts))
        if not common:
            yield f"{name}: no start in common; the sides count as independent samples, which is less precise."
        elif played != [common, common]:
            yield f"{name}: A played {played[0]} starts, B {played[1]}; compared on the {common} of both."
    for side in (first, second):
        if side.missing:
            yield f"{side.name}: {side.missing} of its runs missing or not complete."
    a, b = (side.runs[0][1].get("recipe", {}).get("environment", {}) for side in (first, second))
    for key in sorted(set(a) & set(b) - {"starts"}):
        if a[key] != b[key]:
            yield f"The environments differ: {key} is {a[key]} for A and {b[key]} for B."
