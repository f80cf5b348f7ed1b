"""A comparison as lines of text, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from statistics import mean
from typing import Any

from vla_rl_bench.analysis.align_runs import AlignedRuns
from vla_rl_bench.analysis.statistics.comparison import Comparison, Difference
from vla_rl_bench.analysis.statistics.intervals import Clustered, Interval, interval_text, percent_text, points_text
from vla_rl_bench.analysis.statistics.verdict import conclusion, verdict
from vla_rl_bench.text_table import text_lines


def lines(runs: AlignedRuns, result: Comparison) -> Iterator[str]:
    """The sides, a table with a row per column, notes, and the conclusion."""
    for letter, side in (("A", runs.first), ("B", runs.second)):
        seeds = sorted({run["seed"] for _, run in side.runs if run["column"] in runs.columns})
        numbers = ", ".join(map(str, seeds))
        yield f"{letter}  {side.name}: {side.title}, {'seed' if len(seeds) == 1 else 'seeds'} {numbers}"
    yield f"Evaluation {runs.evaluation}, protocol {', '.join(runs.protocols)}. 95% intervals; differences in points."
    yield ""
    head = ["", "starts", "A", "B", "B - A", "A better", "B better", "McNemar p"]
    if any(difference.over_seeds for difference in result.columns.values()):
        head.append("B - A, over seeds")
    rows = [_row(name, difference) for name, difference in result.columns.items()]
    if len(rows) > 1:
        rates = [_mean_rate([pair[side].pooled for pair in result.mean.pairs]) for side in (0, 1)]
        rows.append(["Avg", "", *rates, *_difference(result.mean)])
    yield from text_lines([head, *(row[: len(head)] for row in rows)])
    yield ""
    yield from runs.notes
    yield conclusion(result.mean, _names(runs), same_recipe=runs.same_recipe)


def plain(runs: AlignedRuns, result: Comparison) -> dict[str, Any]:
    """Everything as JSON has it; rates in 0 to 1."""
    return {
        "a": _plain_side(runs, 0),
        "b": _plain_side(runs, 1),
        "evaluation": runs.evaluation,
        "protocols": list(runs.protocols),
        "same_recipe": runs.same_recipe,
        "columns": {name: _plain_column(difference) for name, difference in result.columns.items()},
        "average": _plain_difference(result.mean),
        "notes": list(runs.notes),
        "verdict": verdict(result.mean, same_recipe=runs.same_recipe),
        "conclusion": conclusion(result.mean, _names(runs), same_recipe=runs.same_recipe),
    }


def _names(runs: AlignedRuns) -> tuple[str, str]:
    """The arms' titles, or the names as typed if the titles are the same."""
    first, second = runs.first, runs.second
    return (first.name, second.name) if first.title == second.title else (first.title, second.title)


def _row(name: str, difference: Difference) -> list[str]:
    [(first, second)] = difference.pairs
    starts = str(len(first.starts)) if difference.paired else "independent"
    return [name, starts, _rate(first.pooled), _rate(second.pooled), *_difference(difference)]


def _difference(difference: Difference) -> list[str]:
    test, over_seeds = difference.test, difference.over_seeds
    return [
        f"{points_text(difference.value, signed=True)} {interval_text(difference.policies_interval, signed=True)}",
        *(["", "", ""] if test is None else [str(test.first), str(test.second), _p_value(test.mid_p)]),
        "" if over_seeds is None else interval_text(over_seeds.interval(), signed=True),
    ]


def _rate(measured: Clustered) -> str:
    k, n = measured.successes, measured.n
    return f"{k}/{n} {percent_text(k, n)} {interval_text(measured.interval)}"


def _mean_rate(columns: Sequence[Clustered]) -> str:
    return points_text(mean(Fraction(column.successes, column.n) for column in columns))


def _p_value(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _plain_side(runs: AlignedRuns, index: int) -> dict[str, Any]:
    side = (runs.first, runs.second)[index]
    records = [record for _, record in side.runs if record["column"] in runs.columns]
    ids = [{key: record[key] for key in ("id", "column", "seed")} for record in records]
    return {"name": side.name, "title": side.title, "runs": ids}


def _plain_column(difference: Difference) -> dict[str, Any]:
    [pair] = difference.pairs
    rates = {
        name: {
            "successes": side.successes,
            "episodes": side.n,
            "interval": _ends(side.interval),
            "design_effect": side.design_effect,
        }
        for name, side in (("a", pair[0].pooled), ("b", pair[1].pooled))
    }
    return {"starts": len(pair[0].starts), "paired": difference.paired, **rates, **_plain_difference(difference)}


def _plain_difference(difference: Difference) -> dict[str, Any]:
    fields: dict[str, Any] = {"difference": difference.value, "interval": _ends(difference.policies_interval)}
    if (test := difference.test) is not None:
        fields["mcnemar"] = {"a_better": test.first, "b_better": test.second, "exact": test.exact, "mid_p": test.mid_p}
    if difference.over_seeds is not None:
        fields["over_seeds"] = _ends(difference.over_seeds.interval())
    return fields


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
