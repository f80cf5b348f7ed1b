"""Two sides that may be compared: one protocol, one evaluation, the columns and starts of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.sides import Side
from vla_rl_bench.analysis.statistics.comparison import Pair, common_start_counts
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.files import Record
from vla_rl_bench.records.frame import episodes_frame, protocols
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.plan import evaluation_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Match:
    """Two sides that may be compared.  notes: sentences on what to bear in mind."""

    first: Side
    second: Side
    evaluation: str
    protocols: tuple[str, ...]
    columns: Mapping[str, Pair]
    same_recipe: bool
    notes: tuple[str, ...]


def match(first: Side, second: Side, evaluation: str | None, sampling: str | None, column: str | None) -> Match:
    """Hold both sides to one protocol and one evaluation -> what can be compared of them.

    column: only this one; all that both sides have if None.
    """
    _refuse_same_runs(first, second)
    columns = _columns(first, second, column)
    frames = [_final(side, columns) for side in (first, second)]
    chosen = _evaluation(first, second, frames, evaluation or "main", sampling)
    one, other = (frame[frame["measured"] == chosen] for frame in frames)
    shared = _one_protocol(first, second, columns, protocols(one), protocols(other))
    pairs = {
        name: (common_start_counts(one[one["column"] == name]), common_start_counts(other[other["column"] == name]))
        for name in columns
    }
    return Match(
        first=first,
        second=second,
        evaluation=chosen,
        protocols=shared,
        columns=pairs,
        same_recipe=all(_recipes(first, name) == _recipes(second, name) for name in columns),
        notes=tuple(_notes(first, second, pairs)),
    )


def _refuse_same_runs(first: Side, second: Side) -> None:
    both = {path.resolve() for path, _ in first.runs} & {path.resolve() for path, _ in second.runs}
    if both:
        raise UserError(f"{first.name} and {second.name} share the run {min(both).name}; name two different sides")


def _columns(first: Side, second: Side, column: str | None) -> list[str]:
    common = [name for name in first.columns if name in second.columns]
    if not common:
        there = f"{', '.join(first.columns)} and {', '.join(second.columns)}"
        raise UserError(f"{first.name} and {second.name} have no column in common ({there}); name two of one column")
    if column is not None and column not in common:
        raise UserError(f"no column `{column}` on both sides.{did_you_mean(column, common)}")
    return common if column is None else [column]


def _final(side: Side, columns: Sequence[str]) -> pd.DataFrame:
    """Final episodes of these columns; `measured` is the evaluation's name, as ``main/greedy``."""
    names = partial(evaluation_names, side.suite) if side.suite else None
    frame = episodes_frame((path for path, run in side.runs if run["column"] in columns), names=names)
    frame = frame[frame["iteration"].isna()]
    return frame.assign(measured=frame["evaluation"] + "/" + frame["sampling"])


def _evaluation(first: Side, second: Side, frames: Sequence[pd.DataFrame], name: str, sampling: str | None) -> str:
    """``name/sampling``: what was asked for; else greedy, or the only one that all runs have."""
    has = [_of_all_runs(frame) for frame in frames]
    common = sorted(one for one in has[0] & has[1] if one.startswith(f"{name}/"))
    wanted = f"{name}/{sampling or 'greedy'}"
    if wanted in common:
        return wanted
    if sampling is None and len(common) == 1:
        return common[0]
    there = "; ".join(
        f"{side.name} has {', '.join(sorted(one)) or 'none'}" for side, one in zip((first, second), has, strict=True)
    )
    raise UserError(f"no evaluation {name if sampling is None else wanted} on both sides: {there}")


def _of_all_runs(frame: pd.DataFrame) -> set[str]:
    by_run = [set(map(str, part)) for _, part in frame.groupby("run")["measured"]]
    return set.intersection(*by_run) if by_run else set()


def _one_protocol(
    first: Side, second: Side, columns: Sequence[str], one: dict[str, str], other: dict[str, str]
) -> tuple[str, ...]:
    for column in columns:
        if one[column] != other[column]:
            raise UserError(
                f"{column}: {first.name} was measured under protocol {one[column]}, {second.name} under "
                f"{other[column]}; only results of one protocol can be compared. Run one of them again."
            )
    return tuple(dict.fromkeys(one[column] for column in columns))


def _recipes(side: Side, column: str) -> set[str]:
    """The recipes of a column's runs without their seeds; a set of its own where a parent's folder is gone."""
    found = set()
    for path, run in side.runs:
        if run["column"] == column:
            lineage = list(_lineage(path, run))
            if None in lineage:
                return {f"unknown: {path}"}
            found.add(repr(lineage))
    return found


def _lineage(path: Path, run: Record) -> Iterator[list[tuple[str, object]] | None]:
    """A run's recipe and its parents', each without what depends on the seed; None for what is not there."""
    recipe = run.get("recipe")
    yield (
        None
        if recipe is None
        else sorted((key, value) for key, value in recipe.items() if key not in ("seed", "parent"))
    )
    if recipe is not None and recipe.get("parent"):
        parent = path.parent / recipe["parent"]
        yield from _lineage(parent, RunFolder(parent).read())


def _notes(first: Side, second: Side, pairs: Mapping[str, Pair]) -> Iterator[str]:
    for name, (one, other) in pairs.items():
        common = len(set(one.starts) & set(other.starts))
        if not common:
            yield f"{name}: no start in common; both sides count as independent samples, which is less sharp."
        elif not common == len(one.starts) == len(other.starts):
            yield f"{name}: A played {len(one.starts)} starts, B {len(other.starts)}; compared on the {common} of both."
    for side in (first, second):
        if side.missing:
            yield f"{side.name}: {len(side.missing)} of its runs missing or not complete."
    yield from _environment_notes(first, second)


def _environment_notes(first: Side, second: Side) -> Iterator[str]:
    one, other = (side.runs[0][1].get("recipe", {}).get("environment", {}) for side in (first, second))
    for key in sorted(set(one) & set(other) - {"starts"}):
        if one[key] != other[key]:
            yield f"The environments differ: {key} is {one[key]} for A and {other[key]} for B."
