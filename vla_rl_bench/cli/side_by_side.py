"""A comparison as lines of text, and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from statistics import mean
from typing import Any

from vla_rl_bench.analysis.match import Match
from vla_rl_bench.analysis.statistics.comparison import ColumnGap, Comparison, Robust
from vla_rl_bench.analysis.statistics.intervals import Clustered, percent
from vla_rl_bench.analysis.statistics.verdict import points, signed, told_apart, verdict


def names(found: Match) -> tuple[str, str]:
    """The arms' titles, or what was typed where they are the same."""
    first, second = found.first, found.second
    return (first.name, second.name) if first.title == second.title else (first.title, second.title)


def lines(found: Match, result: Comparison) -> Iterator[str]:
    for letter, side in (("A", found.first), ("B", found.second)):
        seeds = sorted({run["seed"] for _, run in side.runs if run["column"] in found.names})
        numbers = ", ".join(map(str, seeds))
        yield f"{letter}  {side.name}: {side.title}, {'seed' if len(seeds) == 1 else 'seeds'} {numbers}"
    yield f"Evaluation {found.evaluation}, protocol {', '.join(found.protocols)}. 95% intervals; differences in points."
    yield ""
    heads = ["", "starts", "A", "B", "B - A", "A better", "B better", "McNemar p"]
    if any(gap.over_seeds for gap in result.columns):
        heads.append("B - A, over seeds")
    rows = [_row(gap)[: len(heads)] for gap in result.columns]
    if len(result.columns) > 1:
        over = "" if result.over_seeds is None else signed(result.over_seeds.interval())
        rates = _mean(gap.first for gap in result.columns), _mean(gap.second for gap in result.columns)
        rows.append(_cells("Avg", "", rates, result, over)[: len(heads)])
    yield from _aligned(heads, rows)
    yield ""
    if result.robust is not None:
        robust = result.robust
        yield (
            f"Interquartile means over seeds and tasks: A {points(robust.first)} "
            f"[{points(robust.first_interval.low)}, {points(robust.first_interval.high)}], B {points(robust.second)} "
            f"[{points(robust.second_interval.low)}, {points(robust.second_interval.high)}], "
            f"B - A {points(robust.second - robust.first)} {signed(robust.interval)}."
        )
    yield from found.notes
    yield verdict(result, names(found), found.same_recipe)


def _row(gap: ColumnGap) -> list[str]:
    over = "" if gap.over_seeds is None else signed(gap.over_seeds.interval())
    starts = str(gap.starts) if gap.test is not None else "apart"
    return _cells(gap.column, starts, (_rate(gap.first), _rate(gap.second)), gap, over)


def _cells(name: str, starts: str, rates: tuple[str, str], found: ColumnGap | Comparison, over_seeds: str) -> list[str]:
    test = found.test
    told = ["", "", ""] if test is None else [str(test.first), str(test.second), _p(test.mid_p)]
    gap = points(found.difference) if found.difference < 0 else f"+{points(found.difference)}"
    return [name, starts, *rates, f"{gap} {signed(found.interval)}", *told, over_seeds]


def _rate(measured: Clustered) -> str:
    interval = f"[{points(measured.interval.low)}, {points(measured.interval.high)}]"
    return f"{measured.successes}/{measured.n} {percent(measured.successes, measured.n)} {interval}"


def _mean(sides: Iterable[Clustered]) -> str:
    return points(float(mean(Fraction(side.successes, side.n) for side in sides)))


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    for row in [heads, *rows]:
        first = row[0].ljust(widths[0])
        yield "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()


def plain(found: Match, result: Comparison) -> dict[str, Any]:
    """Everything that was found, as JSON has it."""
    return {
        "a": _side(found, 0),
        "b": _side(found, 1),
        "evaluation": found.evaluation,
        "protocols": list(found.protocols),
        "same_recipe": found.same_recipe,
        "columns": {gap.column: _column(gap) for gap in result.columns},
        "average": _difference(result),
        "notes": list(found.notes),
        "told_apart": told_apart(result, found.same_recipe),
        "verdict": verdict(result, names(found), found.same_recipe),
    } | ({} if result.robust is None else {"interquartile_mean": _robust(result.robust)})


def _side(found: Match, index: int) -> dict[str, Any]:
    side = (found.first, found.second)[index]
    runs = [{"id": run["id"], "column": run["column"], "seed": run["seed"]} for _, run in side.runs]
    return {"name": side.name, "title": side.title, "runs": [run for run in runs if run["column"] in found.names]}


def _column(gap: ColumnGap) -> dict[str, Any]:
    rates = {
        name: {
            "successes": one.successes,
            "episodes": one.n,
            "interval": [one.interval.low, one.interval.high],
            "design_effect": one.design_effect,
        }
        for name, one in (("a", gap.first), ("b", gap.second))
    }
    return {"starts": gap.starts, "paired": gap.test is not None, **rates, **_difference(gap)}


def _difference(gap: ColumnGap | Comparison) -> dict[str, Any]:
    found: dict[str, Any] = {
        "difference": gap.difference,
        "interval": [gap.interval.low, gap.interval.high],
    }
    if gap.test is not None:
        found["mcnemar"] = {
            "a_better": gap.test.first,
            "b_better": gap.test.second,
            "exact": gap.test.exact,
            "mid_p": gap.test.mid_p,
        }
    if gap.over_seeds is not None:
        interval = gap.over_seeds.interval()
        found["over_seeds"] = [interval.low, interval.high]
    return found


def _robust(robust: Robust) -> dict[str, Any]:
    return {
        "a": robust.first,
        "a_interval": [robust.first_interval.low, robust.first_interval.high],
        "b": robust.second,
        "b_interval": [robust.second_interval.low, robust.second_interval.high],
        "interval": [robust.interval.low, robust.interval.high],
    }
