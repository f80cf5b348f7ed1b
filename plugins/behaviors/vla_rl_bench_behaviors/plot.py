"""Stacked shares of the successes by behavior over RL iterations, new behaviors at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vla_rl_bench.analysis.plots.style import DPI, FAINT, GRAY, INK, as_png
from vla_rl_bench.files import write_bytes
from vla_rl_bench_behaviors.phases import ArmBehaviors, TrainingPhase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

NEW_COLORS = ("#c8553d", "#b8860b", "#7d5ba6", "#5b8c3a", "#3d3d3d")
DEMONSTRATED_COLORS = ("#9fc3d1", "#c5dbe3", "#7fb0c2")  # paler
WIDTH, HEIGHT, MARGIN = 7.4, 3.35, 0.88  # inches: the figure, a panel, the title above


def draw_shares(arms: Sequence[ArmBehaviors], path: Path) -> Path | None:
    """Write the plot, one panel per arm and column; None if no rollouts with successes are recorded."""
    panels = [arm for arm in arms if any(phase.total for phase in arm.rollouts.values())]
    if not panels:
        return None
    from matplotlib.figure import Figure

    height = MARGIN + len(panels) * HEIGHT
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    for axis, arm in zip(figure.subplots(len(panels), 1, squeeze=False).flat, panels, strict=True):
        _draw_panel(axis, arm)
    seeds = max(len(arm.runs) for arm in panels)
    mean = f", mean of {seeds} seeds (hatched: lowest to highest seed, all new behaviors)" if seeds > 1 else ""
    note = "Strong colors: in no demonstration. Bars: the policies before and after RL, evaluated."
    figure.subplots_adjust(0.09, 0.62 / height, 0.84, 1 - 1.08 / height, hspace=0.42)
    figure.text(0.09, 1 - 0.3 / height, "Behaviors of successful episodes", fontsize=11.5, fontweight="bold", color=INK)
    figure.text(0.09, 1 - 0.4 / height, f"Share of successes{mean}.\n{note}", fontsize=8, color=GRAY, va="top")
    write_bytes(path, as_png(figure))
    return path


def _draw_panel(axis: Axes, arm: ArmBehaviors) -> None:
    from matplotlib.ticker import MaxNLocator

    order = [*arm.new, *(name for name in arm.behaviors if name not in arm.new)]
    new = len(arm.new)
    colors = [NEW_COLORS[index % len(NEW_COLORS)] for index in range(new)]
    colors += [DEMONSTRATED_COLORS[index % len(DEMONSTRATED_COLORS)] for index in range(len(order) - new)]
    shares = {number - 1: _shares(phase, order) for number, phase in arm.rollouts.items() if phase.total}
    last = max(shares)
    axis.stackplot(
        list(shares), np.array([seeds.mean(0) for seeds in shares.values()]).T, colors=colors, labels=order, linewidth=0
    )
    if new and len(arm.runs) > 1:
        sums = [seeds[:, :new].sum(1) for seeds in shares.values()]
        low, high = [seeds.min() for seeds in sums], [seeds.max() for seeds in sums]
        pattern = axis.fill_between(list(shares), low, high, facecolor="none", edgecolor=INK, linewidth=0, hatch="////")
        pattern.set_alpha(0.35)
    bar = max(1.0, 0.045 * (last + 1))
    for phase, x in ((arm.before, -2.2 * bar), (arm.after, last + 2.2 * bar)):
        if phase and phase.total:
            heights = _shares(phase, order).mean(0)
            axis.bar([x] * len(order), heights, bar, np.cumsum(heights) - heights, color=colors)
            title = phase.title.removesuffix(", evaluated")
            axis.text(x, -0.06, title, ha="center", va="top", fontsize=7.5, color=INK)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8.5)
    axis.set_title(f"{arm.column}: {arm.title}", loc="left", fontsize=10, color=INK, pad=5)
    axis.set_ylim(0, 1)
    axis.set_xlim(-3.1 * bar, last + 3.1 * bar)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
    ticks = MaxNLocator(nbins=8, integer=True).tick_values(0, last)
    axis.set_xticks([tick for tick in ticks if 0 <= tick <= last])
    axis.tick_params(labelsize=8, colors=INK, length=0)
    axis.set_xlabel("updates before the rollouts", fontsize=8.5, color=INK)
    for spine in axis.spines.values():
        spine.set_color(FAINT)


def _shares(phase: TrainingPhase, order: Sequence[str]) -> NDArray[np.float64]:
    """Compute shares ``[seeds with successes, behaviors]``, rows summing to 1."""
    counts = [counts for counts in phase.by_seed.values() if counts.total]
    return np.array([[seed.share(name) for name in order] for seed in counts], np.float64)
