"""Success over RL iterations: a panel a column, the mean over seeds, a band from the lowest to the highest seed."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.results.frame import episodes_frame, metrics_frame, run_folders
from vla_rl_bench.results.store import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[int, int, float]
"""Seed, how often the policy had been updated, success rate."""

COLOURS = ("#0b6e99", "#c8553d", "#5b8c3a", "#7d5ba6", "#b8860b", "#3d3d3d")
ROLLOUTS = "#d98b2b"  # of the only arm; several arms keep their own colour
INK, GREY, FAINT = "#333333", "#777777", "#d9d9d9"
PANEL, ONLY_PANEL = (3.3, 2.5), (4.8, 2.8)  # inches
CHARACTER = 0.078  # inches: a bold letter of a label, which stands to the right of the last panel
LEFT = 0.62  # inches
DPI = 150
BEFORE = "before RL"


@dataclass(frozen=True)
class Curve:
    """One line of a panel.  updates: how often the policy had been updated when it was measured, ascending.

    mean, low, high: success rates over seeds, in [0, 1].  bold: held-out starts; otherwise training rollouts.
    label: what stands beside its end; may be empty.
    """

    label: str
    colour: str
    bold: bool
    updates: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def draw_curves(
    folder: Path, suite: Suite, run_ids: Collection[str] | None = None, path: Path | None = None
) -> Path | None:
    """Writes ``curves.png`` -> its path; None when no complete run of the suite had RL.

    Bold: held-out starts, greedy, with the policy that RL started from at 0.  Thin: rollouts on training starts, at the
    rollout's temperature; those of iteration i are played by the policy after i-1 updates, and stand there.
    """
    folders = run_folders(folder)
    panels = curves(episodes_frame(folders, run_ids), metrics_frame(folders, run_ids), suite)
    if not any(panels.values()):
        return None
    target = path or folder / "curves.png"
    write_bytes(target, as_png(_figure(panels, suite.title or suite.name, len(suite.seeds))))
    return target


def curves(episodes: pd.DataFrame, metrics: pd.DataFrame, suite: Suite) -> dict[str, list[Curve]]:
    """Column -> its curves."""
    arms = [arm for arm in suite.arms if arm.rl]
    return {column: list(_of_column(episodes, metrics, arms, column)) for column in suite.columns}


def _of_column(
    episodes: pd.DataFrame, metrics: pd.DataFrame, arms: Sequence[ArmConfig], column: str
) -> Iterator[Curve]:
    """Of one arm, both curves are named by what was measured; of several, the bold ones by their arm."""
    for index, arm in enumerate(arms):
        colour = COLOURS[index % len(COLOURS)]
        thin, bold = (colour, colour) if len(arms) > 1 else (ROLLOUTS, colour)
        names = ("", arm.title or arm.name) if len(arms) > 1 else ("training rollouts", "held-out, greedy")
        rollouts = metrics[(metrics["arm"] == arm.name) & (metrics["column"] == column)]
        yield from _curve(names[0], thin, False, _training(rollouts))
        yield from _curve(names[1], bold, True, _held_out(episodes, arm, column))


def _training(rollouts: pd.DataFrame) -> list[Point]:
    found = zip(*(rollouts[name].tolist() for name in ("seed", "iteration", "rollout_success")), strict=True)
    return [(seed, iteration - 1, rate) for seed, iteration, rate in found]


def _held_out(episodes: pd.DataFrame, arm: ArmConfig, column: str) -> list[Point]:
    """Without evaluations in between: before and after RL."""
    main = episodes[
        (episodes["column"] == column) & (episodes["evaluation"] == "main") & (episodes["sampling"] == "greedy")
    ]
    between = main[(main["arm"] == arm.name) & main["iteration"].notna()]
    if len(between):
        return _points(between)
    assert arm.rl is not None
    final = main[main["iteration"].isna()]
    ends = ((arm.from_, 0), (arm.name, arm.rl.iterations))
    return [point for name, updates in ends for point in _points(final[final["arm"] == name].assign(iteration=updates))]


def _points(episodes: pd.DataFrame) -> list[Point]:
    rates = episodes.groupby(["seed", "iteration"])["success"].mean().reset_index()
    return [(int(seed), int(iteration), float(rate)) for _, seed, iteration, rate in rates.itertuples()]


def _curve(label: str, colour: str, bold: bool, points: Iterable[Point]) -> Iterator[Curve]:
    """The curve over the updates at which every seed was measured, if any."""
    by_update: dict[int, dict[int, float]] = {}
    for seed, updates, rate in points:
        by_update.setdefault(updates, {})[seed] = rate
    everyone = {seed for rates in by_update.values() for seed in rates}
    shared = {updates: list(rates.values()) for updates, rates in sorted(by_update.items()) if rates.keys() == everyone}
    if shared:
        rates = list(shared.values())
        mean = tuple(sum(values) / len(values) for values in rates)
        yield Curve(label, colour, bold, tuple(shared), mean, tuple(map(min, rates)), tuple(map(max, rates)))


def _figure(panels: dict[str, list[Curve]], title: str, seeds: int) -> Figure:
    from matplotlib.figure import Figure

    across = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    down = -(-len(panels) // across)
    labels = [BEFORE, *(line.label for lines in panels.values() for line in lines)]
    margin = 0.3 + CHARACTER * max(map(len, labels))
    panel = PANEL if len(panels) > 1 else ONLY_PANEL
    width, height = LEFT + across * panel[0] + margin, down * panel[1] + 0.95
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for index, axis in enumerate(axes.flat):
        if index >= len(panels):
            axis.set_visible(False)
            continue
        column, lines = list(panels.items())[index]
        _panel(axis, column, lines)
        if (index + 1) % across == 0 or index + 1 == len(panels):
            _label_ends(axis, lines)
        axis.tick_params(labelbottom=index + across >= len(panels), labelleft=index % across == 0)
    left, right = LEFT / width, 1 - margin / width
    figure.subplots_adjust(left, 0.5 / height, right, 1 - 0.95 / height, wspace=0.1, hspace=0.28)
    figure.text(left, 1 - 0.32 / height, title, fontsize=11.5, fontweight="bold", color=INK)
    figure.text(left, 1 - 0.52 / height, _subtitle(labels, seeds), fontsize=8, color=GREY)
    figure.text((left + right) / 2, 0.12 / height, "RL iterations", ha="center", fontsize=9, color=INK)
    return figure


def _subtitle(labels: Sequence[str], seeds: int) -> str:
    what = "Bold: held-out, greedy; thin: training rollouts. " if "" in labels else ""
    return what + (f"Success: mean of {seeds} seeds; band: lowest to highest." if seeds > 1 else "Success.")


def _panel(axis: Axes, column: str, lines: Sequence[Curve]) -> None:
    """One column's curves, thin ones below."""
    from matplotlib.ticker import MaxNLocator

    for line in sorted(lines, key=lambda line: line.bold):
        percent = [[100 * rate for rate in rates] for rates in (line.mean, line.low, line.high)]
        axis.fill_between(
            line.updates, percent[1], percent[2], color=line.colour, alpha=0.18 if line.bold else 0.1, linewidth=0
        )
        axis.plot(
            line.updates,
            percent[0],
            color=line.colour,
            alpha=1.0 if line.bold else 0.7,
            linewidth=2.0 if line.bold else 0.9,
            marker="o" if line.bold else None,
            markersize=3.5,
            clip_on=False,
        )
    _values(axis, [line for line in lines if line.bold])
    _sft_level(axis, lines)
    axis.set_title(column, loc="left", fontsize=10, color=INK, pad=5)
    axis.set_ylim(0, 100)
    axis.set_xlim(0, 1.11 * max((line.updates[-1] for line in lines), default=1) or 1)
    axis.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    axis.grid(axis="y", color=FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, colors=INK, length=0)
    for side, spine in axis.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)


def _values(axis: Axes, lines: Sequence[Curve]) -> None:
    """The last rate of each curve, beside its last point."""
    rates = [100 * line.mean[-1] for line in lines]
    for line, rate, height in zip(lines, rates, _spread(rates, gap=8.0), strict=True):
        axis.annotate(
            f"{math.floor(rate + 0.5)}",
            (line.updates[-1], height),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight="bold",
            color=line.colour,
        )


def _sft_level(axis: Axes, lines: Sequence[Curve]) -> None:
    """A dashed line where the held-out curve starts."""
    starts = {line.mean[0] for line in lines if line.bold and line.updates[0] == 0}
    for level in sorted(starts):
        axis.axhline(100 * level, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7)


def _label_ends(axis: Axes, lines: Sequence[Curve]) -> None:
    """Each line's name beside its end, in its colour, pushed apart where two would overlap."""
    ends = [(100 * line.mean[-1], line.label, line.colour, line.bold) for line in lines if line.label]
    ends += [(100 * line.mean[0], BEFORE, INK, False) for line in lines if line.bold and line.updates[0] == 0][:1]
    heights = _spread([height for height, *_ in ends], gap=9.0)
    for (_, label, colour, bold), height in zip(ends, heights, strict=True):
        axis.annotate(
            label,
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=colour,
            fontweight="bold" if bold else "normal",
            annotation_clip=False,
        )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, in their order, moved as little as needed so that neighbours are `gap` apart."""
    order = sorted(range(len(heights)), key=lambda index: (heights[index], index))
    placed = [heights[index] for index in order]
    for _ in range(100):
        for low in range(len(placed) - 1):
            lack = gap - (placed[low + 1] - placed[low])
            if lack > 0:
                placed[low] -= lack / 2
                placed[low + 1] += lack / 2
    found = [0.0] * len(heights)
    for index, height in zip(order, placed, strict=True):
        found[index] = height
    return found


def as_png(figure: Figure) -> bytes:
    """The same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the version would change the bytes
    return buffer.getvalue()
