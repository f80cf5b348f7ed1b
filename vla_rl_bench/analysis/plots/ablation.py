"""An ablation's curves: a row a column; at equal iterations, at equal trajectories, at equal CPU seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vla_rl_bench.analysis.plots.progress import FEW_SEEDS, Mean, Measure, Sample, as_csv, mean_curve, samples
from vla_rl_bench.analysis.plots.style import (
    BEFORE,
    CHARACTER,
    COLOURS,
    DASHES,
    DPI,
    INK,
    LEFT,
    End,
    as_png,
    band,
    dashed_levels,
    dress,
    head,
    label_ends,
    percent,
    values,
)
from vla_rl_bench.config.ablation import variant_label
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.files import write_bytes, write_text
from vla_rl_bench.records.frame import episodes_frame, metrics_frame, run_folders

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES: dict[Measure, str] = {
    "iteration": "RL iterations",
    "trajectories": "trajectories rolled out",
    "cpu_seconds": "CPU seconds of RL",
}
WIDTH, HEIGHT = 3.0, 2.5  # inches: a panel
LABEL = 0.21  # inches: a label beside a panel, with the gap to the next
ABOVE, BELOW = 0.95, 0.55  # inches: title; the name of the x axis


@dataclass(frozen=True)
class Style:
    """How an arm is drawn.  full: no variant of another arm."""

    label: str
    colour: str
    dash: Any
    full: bool


def draw_ablation(folder: Path, suite: Suite, run_ids: Collection[str] | None = None) -> list[Path]:
    """Writes ``ablation_curves.png`` and ``.csv`` -> their paths; none when no complete run had RL.

    suite: as `ablation_suite` makes it.
    """
    folders = run_folders(folder)
    found = samples(episodes_frame(folders, run_ids), metrics_frame(folders, run_ids), suite)
    if not found:
        return []
    picture, table = folder / "ablation_curves.png", folder / "ablation_curves.csv"
    write_bytes(picture, as_png(figure(found, suite)))
    write_text(table, as_csv(found))
    return [picture, table]


def curves(found: Sequence[Sample], suite: Suite, column: str, measure: Measure) -> dict[str, Mean]:
    """Arm -> its mean over seeds, of the arms that have one."""
    arms = dict.fromkeys(sample.arm for sample in found)
    own = {arm: [one for one in found if (one.arm, one.column) == (arm, column)] for arm in arms}
    means = {arm: mean_curve(of_arm, measure) for arm, of_arm in own.items() if of_arm}
    return {arm: mean for arm, mean in means.items() if mean is not None}


def styles(suite: Suite) -> dict[str, Style]:
    """Every arm with RL; a variant goes by what differs, unless there are several full recipes to differ from."""
    variants = dict(suite.table.delta)
    arms = [arm for arm in suite.arms if arm.rl]
    several = len(set(variants.values())) > 1
    return {
        arm.name: Style(
            label=(arm.title or arm.name) if several else variant_label(suite, arm),
            colour=COLOURS[number % len(COLOURS)],
            dash=DASHES[number // len(COLOURS) % len(DASHES)],
            full=arm.name not in variants,
        )
        for number, arm in enumerate(arms)
    }


def figure(found: Sequence[Sample], suite: Suite) -> Figure:
    from matplotlib.figure import Figure

    drawn = styles(suite)
    measures = [measure for measure in MEASURES if any(curves(found, suite, name, measure) for name in suite.columns)]
    margin = 0.3 + CHARACTER * max(len(label) for label in (BEFORE, *(style.label for style in drawn.values())))
    row = max(HEIGHT, 0.4 + LABEL * (len(drawn) + 1))
    width, height = LEFT + len(measures) * WIDTH + margin, ABOVE + len(suite.columns) * row + BELOW - 0.55
    picture = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = picture.subplots(len(suite.columns), len(measures), sharex="col", sharey=True, squeeze=False)
    for down, column in enumerate(suite.columns):
        for across, measure in enumerate(measures):
            axis, means = axes[down, across], curves(found, suite, column, measure)
            _panel(axis, means, drawn, column if across == 0 else "")
            if measure == "iteration":
                values(axis, [(mean.x[-1], mean.mean[-1], drawn[arm].colour) for arm, mean in means.items()])
            if across == len(measures) - 1:
                _names(axis, means, drawn, gap=100 * LABEL / (0.8 * row))
            if down == len(suite.columns) - 1:
                axis.set_xlabel(MEASURES[measure], fontsize=9, color=INK)
    for across, measure in enumerate(measures):
        _fit(axes[-1, across], [curves(found, suite, name, measure) for name in suite.columns], measure)
    left, right = LEFT / width, 1 - margin / width
    picture.subplots_adjust(left, BELOW / height, right, 1 - ABOVE / height, wspace=0.1, hspace=0.22)
    head(picture, suite.title or suite.name, _subtitle(len({one.seed for one in found})), left)
    return picture


def _subtitle(seeds: int) -> str:
    what = "Success on held-out starts, greedy. "
    if seeds == 1:
        return what + "One seed."
    spread = "95% interval of the mean (Student's t)" if seeds >= FEW_SEEDS else "both seeds"
    return what + f"Mean of {seeds} seeds, to where the first of them ends; band: {spread}."


def _panel(axis: Axes, means: dict[str, Mean], drawn: dict[str, Style], title: str) -> None:
    """Variants first, the full recipe over them."""
    dress(axis, title)
    for arm, mean in sorted(means.items(), key=lambda item: drawn[item[0]].full):
        style = drawn[arm]
        band(axis, mean.x, mean.low, mean.high, style.colour, 0.16 if style.full else min(0.1, 0.4 / len(means)))
        axis.plot(
            mean.x,
            percent(mean.mean),
            color=style.colour,
            linestyle=style.dash,
            linewidth=2.4 if style.full else 1.5,
            marker="o",
            markevery=[len(mean.x) - 1],
            markersize=4,
            clip_on=False,
        )
    dashed_levels(axis, [mean.mean[0] for mean in means.values() if mean.x[0] == 0])


def _fit(axis: Axes, rows: Sequence[dict[str, Mean]], measure: Measure) -> None:
    """One x axis for all panels below each other; at equal iterations there is room for the last rates."""
    last = max((mean.x[-1] for means in rows for mean in means.values()), default=1.0)
    axis.set_xlim(0, (1.13 if measure == "iteration" else 1.03) * (last or 1.0))


def _names(axis: Axes, means: dict[str, Mean], drawn: dict[str, Style], gap: float) -> None:
    """Each line's name beside the panel, with a hair line from where it ends."""
    heights = label_ends(axis, list(_ends(means, drawn)), gap)
    for (arm, mean), height in zip(means.items(), heights, strict=False):
        axis.annotate(
            "",
            (mean.x[-1], 100 * mean.mean[-1]),
            xycoords="data",
            xytext=(1.025, height),
            textcoords=("axes fraction", "data"),
            arrowprops={"arrowstyle": "-", "color": drawn[arm].colour, "linewidth": 0.6, "alpha": 0.7,
                        "shrinkA": 0, "shrinkB": 2},
            annotation_clip=False,
        )  # fmt: skip


def _ends(means: dict[str, Mean], drawn: dict[str, Style]) -> Iterator[End]:
    for arm, mean in means.items():
        yield End(100 * mean.mean[-1], drawn[arm].label, drawn[arm].colour, drawn[arm].full)
    for mean in list(means.values())[:1]:
        if mean.x[0] == 0:
            yield End(100 * mean.mean[0], BEFORE, INK, False)
