"""How far each run had come after so many iterations, trajectories and CPU seconds; and means over its seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np

from vla_rl_bench.analysis.plots.points import held_out
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.files import Record
from vla_rl_bench.records.costs import Cost, costs

if TYPE_CHECKING:
    import pandas as pd

Measure = Literal["iteration", "trajectories", "cpu_seconds"]
FEW_SEEDS = 3  # ours: with fewer, the band is the range; Student's interval of two seeds is 13 deviations wide


@dataclass(frozen=True)
class Sample:
    """One evaluation of one run.  trajectories, cpu_seconds: of RL so far; None where it was not recorded.

    success: rate on held-out starts, in [0, 1].
    """

    arm: str
    column: str
    seed: int
    iteration: int
    trajectories: int | None
    cpu_seconds: float | None
    success: float
    episodes: int


@dataclass(frozen=True)
class Mean:
    """A curve over seeds: x ascending; rates in [0, 1]."""

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def samples(episodes: pd.DataFrame, metrics: pd.DataFrame, suite: Suite) -> list[Sample]:
    """Of every arm with RL, by arm, column, seed and iteration."""
    spent = _costs(metrics)
    found = []
    for arm in (arm for arm in suite.arms if arm.rl):
        for column in suite.columns:
            for point in held_out(episodes, arm, column):
                cost = spent.get((arm.name, column, point.seed), {}).get(point.updates)
                trajectories, seconds = (cost.trajectories, cost.cpu_seconds) if cost else (None, None)
                place = (arm.name, column, point.seed, point.updates)
                found.append(Sample(*place, trajectories, seconds, point.rate, point.episodes))
    return found


def as_csv(found: Sequence[Sample]) -> str:
    """A header, then a line a sample; what is not known is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([one.name for one in fields(Sample)])
    writer.writerows([round(one, 6) if isinstance(one, float) else one for one in astuple(sample)] for sample in found)
    return stream.getvalue()


def mean_curve(found: Sequence[Sample], measure: Measure) -> Mean | None:
    """The mean over seeds of one arm's curves on one column; None where a seed's `measure` was not recorded.

    Each seed's curve is joined by straight lines, and the mean is taken wherever any seed was measured, up to where the
    first seed ends.  The band is Student's 95% interval of the mean; with two seeds, both.
    """
    by_seed = list(_by_seed(found, measure))
    if not by_seed or any(None in x for x, _ in by_seed):
        return None
    end = min(x[-1] for x, _ in by_seed)
    grid = sorted({value for x, _ in by_seed for value in x if value <= end})
    rates = np.stack([np.interp(grid, x, y) for x, y in by_seed], axis=1)
    low, high = zip(*(_band(row) for row in rates.tolist()), strict=True)
    return Mean(tuple(grid), tuple(rates.mean(axis=1).tolist()), low, high)


def _band(rates: Sequence[float]) -> tuple[float, float]:
    if len(rates) < FEW_SEEDS:
        return min(rates), max(rates)
    interval = summarize_seeds(rates).interval
    assert interval is not None
    return max(0.0, interval.low), min(1.0, interval.high)


def _by_seed(found: Sequence[Sample], measure: Measure) -> Iterator[tuple[list[float], list[float]]]:
    for seed in dict.fromkeys(sample.seed for sample in found):
        own = sorted((sample for sample in found if sample.seed == seed), key=lambda sample: sample.iteration)
        yield [getattr(sample, measure) for sample in own], [sample.success for sample in own]


def _costs(metrics: pd.DataFrame) -> dict[tuple[str, str, int], dict[int, Cost]]:
    """By arm, column and seed."""
    by_run: dict[tuple[str, str, int], list[Record]] = {}
    for line in metrics.to_dict("records"):
        record = {str(key): value for key, value in line.items()}
        by_run.setdefault((record["arm"], record["column"], record["seed"]), []).append(record)
    return {place: costs(records) for place, records in by_run.items()}
