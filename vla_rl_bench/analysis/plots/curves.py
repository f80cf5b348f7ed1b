"""Success over training: the learning curves of a suite, and those of an ablation at equal cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vla_rl_bench.analysis.plots.style import (
    BEFORE,
    CHARACTER,
    DPI,
    INK,
    LEFT,
    TRAINING,
    LineEnd,
    arm_styles,
    as_png,
    as_svg,
    format_axis,
    label_ends,
    label_values,
    percent,
    write_title,
)
from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.analysis.statistics.intervals import points_text
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench.config.ablation import variant_label
from vla_rl_bench.config.schema import GREEDY, MAIN, ArmConfig, Suite
from vla_rl_bench.files import Record, write_bytes, write_text
from vla_rl_bench.records.costs import Cost, costs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

XAxis = Literal["iteration", "trajectories", "cpu_seconds"]
X_AXES: dict[XAxis, str] = {
    "iteration": "RL iterations",
    "trajectories": "trajectories rolled out",
    "cpu_seconds": "CPU seconds of RL",
}
Band = Literal["range", "interval"]
FEW_SEEDS = 3  # ours: with fewer, the band is the range; Student's interval of two seeds is 13 deviations wide

WIDTH, ONLY_WIDTH, HEIGHT = 2.9, 4.3, 2.0  # inches: a panel, a panel that is alone
BESIDE, BETWEEN, ABOVE, BELOW = 0.3, 0.55, 0.95, 0.5  # inches: between panels, above and below all
LABEL = 0.21  # inches: a label beside a panel, with the gap to the next


@dataclass(frozen=True)
class CurveSample:
    """Success rate of one run after some iterations of RL."""

    arm: str
    column: str
    seed: int
    iteration: int  # updates of the policy before it was measured
    trajectories: int | None  # rolled out so far; None: not recorded
    cpu_seconds: float | None  # of RL so far; None: not recorded
    success: float  # rate in [0, 1]
    episodes: int  # 0: not known


@dataclass(frozen=True)
class MeanCurve:
    """Mean over seeds with a band; x ascends, rates are in [0, 1]."""

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """A mean curve and its look.  label: beside the line's end; may be empty."""

    label: str
    color: str
    dash: Any
    kind: Literal["full", "variant", "training"]
    curve: MeanCurve


@dataclass(frozen=True)
class Panel:
    title: str
    x_axis: XAxis
    lines: tuple[Line, ...]


_LOOKS = {"full": (2.2, 1.0, 0.17), "variant": (1.5, 1.0, 0.1), "training": (0.9, 0.7, 0.1)}
"""Kind of line -> width in points, opacity, opacity of its band."""


def draw_curves(source: SuiteRuns, path: Path | None = None) -> Path | None:
    """Write ``curves.png``: a panel per column -> its path; None if no complete run of the suite had RL."""
    suite = source.suite
    panels = learning_curves(source.episodes, source.metrics, suite)
    if not any(panel.lines for panel in panels):
        return None
    across = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    rows = [panels[first : first + across] for first in range(0, len(panels), across)]
    several = any(line.kind == "training" and not line.label for panel in panels for line in panel.lines)
    subtitle = "Bold: held-out starts, greedy; thin: training rollouts. " if several else ""
    seeds = len(suite.seeds)
    subtitle += f"Success: mean of {seeds} seeds; band: lowest to highest." if seeds > 1 else "Success."
    target = path or source.outputs / "curves.png"
    write_bytes(target, as_png(_figure(rows, suite.title or suite.name, subtitle)))
    return target


def draw_ablation(source: SuiteRuns) -> list[Path]:
    """Write ``ablation_curves.png`` and ``.csv`` -> their paths; none if no complete run had RL.

    A row per column; at equal iterations, at equal trajectories, at equal CPU seconds.  The source's suite is from
    `ablation_suite`.
    """
    suite, folder = source.suite, source.outputs
    samples = held_out_samples(source.episodes, source.metrics, suite)
    if not samples:
        return []
    rows = ablation_curves(samples, suite)
    seeds = len({sample.seed for sample in samples})
    spread = "95% interval of the mean (Student's t)" if seeds >= FEW_SEEDS else "both seeds"
    over = f"Mean of {seeds} seeds, up to the end of the shortest; band: {spread}." if seeds > 1 else "One seed."
    figure = _figure(rows, suite.title or suite.name, f"Success on held-out starts, greedy. {over}")
    image, table = folder / "ablation_curves.png", folder / "ablation_curves.csv"
    write_bytes(image, as_png(figure))
    write_text(table, as_csv(samples))
    return [image, table]


def learning_curves(episodes: pd.DataFrame, metrics: pd.DataFrame, suite: Suite) -> list[Panel]:
    """Panels of the suite's columns: success on held-out starts, and of training rollouts, over RL iterations.

    Rollouts of iteration i are played by the policy after i-1 updates, and are drawn at i-1.
    """
    styles = {style.name: style for style in arm_styles(suite)}
    arms = [arm.name for arm in suite.arms if arm.rl]
    held_out, training = held_out_samples(episodes, metrics, suite), list(_training_samples(metrics))

    def lines(column: str) -> Iterator[Line]:
        for arm in arms:
            color, thin = styles[arm].color, styles[arm].color if len(arms) > 1 else TRAINING
            label, thin_label = (styles[arm].title, "") if len(arms) > 1 else ("held-out, greedy", "training rollouts")
            if rollouts := mean_curve(_of(training, arm, column), "iteration", "range"):
                yield Line(thin_label, thin, "-", "training", rollouts)
            if curve := mean_curve(_of(held_out, arm, column), "iteration", "range"):
                yield Line(label, color, styles[arm].dash, "full", curve)

    return [Panel(column, "iteration", tuple(lines(column))) for column in suite.columns]


def ablation_curves(samples: Sequence[CurveSample], suite: Suite) -> list[list[Panel]]:
    """Rows of the suite's columns, with a panel for each x axis that any arm's seeds have all recorded.

    A variant is labeled by its changes, unless several full recipes have variants.
    """
    variants = dict(suite.table.delta)
    several = len(set(variants.values())) > 1
    arms = {arm.name: arm for arm in suite.arms}
    styles = [style for style in arm_styles(suite) if arms[style.name].rl]

    def panel(column: str, x_axis: XAxis) -> Panel:
        curves = [(style, mean_curve(_of(samples, style.name, column), x_axis)) for style in styles]
        lines = (
            Line(
                style.title if several else variant_label(suite, arms[style.name]),
                style.color,
                style.dash,
                "variant" if style.name in variants else "full",
                curve,
            )
            for style, curve in curves
            if curve
        )
        return Panel(column if x_axis == "iteration" else "", x_axis, tuple(lines))

    grid = [[panel(column, x_axis) for x_axis in X_AXES] for column in suite.columns]
    measured = {panel.x_axis for row in grid for panel in row if panel.lines}
    return [[panel for panel in row if panel.x_axis in measured] for row in grid]


def held_out_samples(episodes: pd.DataFrame, metrics: pd.DataFrame, suite: Suite) -> list[CurveSample]:
    """Greedy episodes of the suite's own evaluation, by arm with RL, column, iteration and seed."""
    spent = _costs_by_run(metrics)
    greedy = episodes[(episodes["evaluation"] == MAIN) & (episodes["sampling"] == GREEDY)]
    samples = []
    for arm in (arm for arm in suite.arms if arm.rl):
        for column in suite.columns:
            measured = _measured(greedy[greedy["column"] == column], arm)
            rates = measured.groupby(["seed", "iteration"])["success"].agg(["mean", "size"]).reset_index()
            for _, seed, iteration, rate, count in rates.itertuples():
                cost = spent.get((arm.name, column, int(seed)), {}).get(int(iteration), Cost(None, None))
                place = (arm.name, column, int(seed), int(iteration))
                samples.append(CurveSample(*place, cost.trajectories, cost.cpu_seconds, float(rate), int(count)))
    return samples


def _measured(episodes: pd.DataFrame, arm: ArmConfig) -> pd.DataFrame:
    """Episodes along the arm's curve; without evaluations in between, those before and after RL."""
    import pandas as pd

    own = episodes[episodes["arm"] == arm.name]
    if own["iteration"].notna().any():
        return own[own["iteration"].notna()]
    assert arm.rl is not None
    before = episodes[(episodes["arm"] == arm.from_) & episodes["iteration"].isna()]
    return pd.concat([before.assign(iteration=0), own.assign(iteration=arm.rl.iterations)])


def _training_samples(metrics: pd.DataFrame) -> Iterator[CurveSample]:
    names = ("arm", "column", "seed", "iteration", "rollout_success")
    for arm, column, seed, iteration, rate in zip(*(metrics[name].tolist() for name in names), strict=True):
        yield CurveSample(arm, column, seed, iteration - 1, None, None, rate, 0)


def _of(samples: Sequence[CurveSample], arm: str, column: str) -> list[CurveSample]:
    return [sample for sample in samples if (sample.arm, sample.column) == (arm, column)]


def _costs_by_run(metrics: pd.DataFrame) -> dict[tuple[str, str, int], dict[int, Cost]]:
    """The order of samples: by arm, column and seed, then by iteration."""
    by_run: dict[tuple[str, str, int], list[Record]] = {}
    for line in metrics.to_dict("records"):
        record = {str(key): value for key, value in line.items()}
        by_run.setdefault((record["arm"], record["column"], record["seed"]), []).append(record)
    return {place: costs(records) for place, records in by_run.items()}


def as_csv(samples: Sequence[CurveSample]) -> str:
    """Write a header, then a line per sample; a field that was not recorded is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([field.name for field in fields(CurveSample)])
    for sample in samples:
        writer.writerow([round(value, 6) if isinstance(value, float) else value for value in astuple(sample)])
    return stream.getvalue()


def mean_curve(samples: Sequence[CurveSample], x_axis: XAxis, band: Band = "interval") -> MeanCurve | None:
    """Mean over seeds of one arm's curves on one column; None if a seed did not record the x axis.

    Each seed's points are joined by straight lines.  The mean is taken at every point of any seed, between the last of
    the seeds' beginnings and the first of their ends.

    Args:
        samples: Of one arm and one column.
        x_axis: Iterations, or a cost.
        band: From the lowest to the highest seed, or Student's 95% interval of the mean (of two seeds: both).
    """
    by_seed: dict[int, tuple[list[float], list[float]]] = {}
    for sample in sorted(samples, key=lambda sample: sample.iteration):
        xs, rates_of_seed = by_seed.setdefault(sample.seed, ([], []))
        xs.append(getattr(sample, x_axis))
        rates_of_seed.append(sample.success)
    if any(None in xs for xs, _ in by_seed.values()):
        return None
    begin = max((xs[0] for xs, _ in by_seed.values()), default=0)
    end = min((xs[-1] for xs, _ in by_seed.values()), default=-1)
    grid = sorted({x for xs, _ in by_seed.values() for x in xs if begin <= x <= end})
    if not grid:
        return None
    rates = np.stack([np.interp(grid, *curve) for curve in by_seed.values()], axis=1)
    low, high = zip(*(_band(row, band) for row in rates.tolist()), strict=True)
    return MeanCurve(tuple(grid), tuple(rates.mean(axis=1).tolist()), low, high)


def _band(rates: Sequence[float], band: Band) -> tuple[float, float]:
    if band == "range" or len(rates) < FEW_SEEDS:
        return min(rates), max(rates)
    interval = summarize_seeds(rates).interval
    assert interval is not None
    possible = interval.clip(0.0, 1.0)
    return possible.low, possible.high


def panel_svg(panel: Panel, name: str) -> str:
    """Draw one panel as an ``svg`` element, without the labels beside it.  name: unique on the page."""
    from matplotlib.figure import Figure

    width, height = 3.7, 2.45
    figure = Figure(figsize=(width, height))
    _draw(figure.add_axes((0.11, 0.17, 0.88, 0.79)), Panel("", panel.x_axis, panel.lines), _last(panel.lines))
    figure.axes[0].set_xlabel(X_AXES[panel.x_axis], fontsize=9, color=INK)
    parts = [
        f"{line.label}: {points_text(line.curve.mean[0], 0)}% at {line.curve.x[0]}, "
        f"{points_text(line.curve.mean[-1], 0)}% at {line.curve.x[-1]} {X_AXES[panel.x_axis]}"
        for line in panel.lines
        if line.kind != "training"
    ]
    return as_svg(figure, name, f"{panel.title}. {'; '.join(parts)}")


def _figure(rows: Sequence[Sequence[Panel]], title: str, subtitle: str) -> Figure:
    """Draw panels of one size in rows, with the names of the lines beside the last one of each row."""
    from matplotlib.figure import Figure

    panels = [panel for row in rows for panel in row]
    across = max(map(len, rows))
    labels = max(sum(1 for line in panel.lines if line.label) for panel in panels)
    margin = 0.3 + CHARACTER * max(len(label) for panel in panels for label in (BEFORE, *_labels(panel)))
    panel_width, panel_height = WIDTH if len(panels) > 1 else ONLY_WIDTH, max(HEIGHT, LABEL * (labels + 1))
    width = LEFT + across * panel_width + (across - 1) * BESIDE + margin
    height = ABOVE + len(rows) * panel_height + (len(rows) - 1) * BETWEEN + BELOW
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.subplots(len(rows), across, squeeze=False)
    for (down, right), axis in np.ndenumerate(axes):
        if right >= len(rows[down]):
            axis.set_visible(False)
            continue
        panel = rows[down][right]
        _draw(axis, panel, _last(line for each in panels if each.x_axis == panel.x_axis for line in each.lines))
        lowest = down + 1 == len(rows) or right >= len(rows[down + 1])
        axis.tick_params(labelbottom=lowest, labelleft=right == 0)
        if lowest:
            axis.set_xlabel(X_AXES[panel.x_axis], fontsize=9, color=INK)
        if right + 1 == len(rows[down]):
            _label_lines(axis, panel, gap=100 * LABEL / panel_height)
    left = LEFT / width
    figure.subplots_adjust(
        left, BELOW / height, 1 - margin / width, 1 - ABOVE / height, BESIDE / panel_width, BETWEEN / panel_height
    )
    write_title(figure, title, subtitle, left)
    return figure


def _labels(panel: Panel) -> list[str]:
    return [line.label for line in panel.lines]


def _last(lines: Iterable[Line]) -> float:
    return max((line.curve.x[-1] for line in lines), default=0) or 1


def _draw(axis: Axes, panel: Panel, last: float) -> None:
    """Draw a panel's lines, the full recipes on top.  last: where the longest line on this x axis ends."""
    format_axis(axis, panel.title)
    for line in sorted(panel.lines, key=lambda line: line.kind == "full"):
        width, opacity, band_opacity = _LOOKS[line.kind]
        curve = line.curve
        shade = min(band_opacity, 0.4 / len(panel.lines)) if line.kind == "variant" else band_opacity
        axis.fill_between(curve.x, percent(curve.low), percent(curve.high), color=line.color, alpha=shade, linewidth=0)
        axis.plot(
            curve.x, percent(curve.mean), color=line.color, linestyle=line.dash, linewidth=width, alpha=opacity,
            marker=None if line.kind == "training" else "o", markersize=3.5, clip_on=False,
            markevery=None if panel.x_axis == "iteration" else [len(curve.x) - 1],
        )  # fmt: skip
    held_out = [line for line in panel.lines if line.kind != "training"]
    if panel.x_axis == "iteration":
        label_values(axis, [(line.curve.x[-1], line.curve.mean[-1], line.color) for line in held_out])
    for level in sorted({line.curve.mean[0] for line in held_out if line.curve.x[0] == 0}):
        axis.plot((0, last), (100 * level, 100 * level), color=INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7)
    axis.set_xlim(0, (1.12 if panel.x_axis == "iteration" else 1.03) * last)


def _label_lines(axis: Axes, panel: Panel, gap: float) -> None:
    """Write each line's label, and where RL began; a hair line joins label and line if no value is in between."""
    lines = [line for line in panel.lines if line.label]
    ends = [LineEnd(100 * line.curve.mean[-1], line.label, line.color, line.kind == "full") for line in lines]
    begins = [line.curve.mean[0] for line in panel.lines if line.kind != "training" and line.curve.x[0] == 0]
    heights = label_ends(axis, [*ends, *(LineEnd(100 * rate, BEFORE, INK, False) for rate in begins[:1])], gap)
    for line, height in zip(lines, heights if panel.x_axis != "iteration" else (), strict=False):
        axis.annotate(
            "", (line.curve.x[-1], 100 * line.curve.mean[-1]), xycoords="data", xytext=(1.025, height),
            textcoords=("axes fraction", "data"), annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": line.color, "linewidth": 0.6, "alpha": 0.7,
                        "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
