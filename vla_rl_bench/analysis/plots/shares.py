"""In which way successes come about over RL iterations: stacked shares, what no demonstration shows at the bottom."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vla_rl_bench.analysis.plots.style import DPI, FAINT, GREY, INK, spread
from vla_rl_bench.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

NEW = ("#c8553d", "#b8860b", "#7d5ba6", "#5b8c3a", "#3d3d3d")
SHOWN = ("#9fc3d1", "#c5dbe3", "#7fb0c2")  # what demonstrations do, paler
HEIGHT, WIDTH, MARGIN = 2.6, 6.4, 1.0  # inches: a panel, and what stands right of it
Shares = tuple[tuple[float, ...], ...]
"""A row a seed, in it a share a behaviour, in [0, 1]; the row's sum is 1."""


@dataclass(frozen=True)
class Panel:
    """behaviours: from the bottom up; new: those of them that no demonstration shows.

    rollouts: how often the policy had been updated -> shares.  ends: ``before`` and ``after`` RL -> title and shares.
    """

    title: str
    behaviours: tuple[str, ...]
    new: frozenset[str]
    seeds: int
    rollouts: Mapping[int, Shares]
    ends: Mapping[str, tuple[str, Shares]]


def draw_shares(panels: Sequence[Panel], path: Path) -> Path | None:
    """Writes a picture -> its path; None when there is nothing to show."""
    shown = [panel for panel in panels if any(panel.rollouts.values())]
    if not shown:
        return None
    from matplotlib.figure import Figure

    width, height = WIDTH + MARGIN, len(shown) * (HEIGHT + 0.75) + 0.88
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.subplots(len(shown), 1, squeeze=False)
    for axis, panel in zip(axes.flat, shown, strict=True):
        _panel(axis, panel)
    figure.subplots_adjust(0.09, 0.62 / height, 1 - MARGIN / width, 1 - 1.08 / height, hspace=0.42)
    figure.text(0.09, 1 - 0.3 / height, "How successes come about", fontsize=11.5, fontweight="bold", color=INK)
    figure.text(0.09, 1 - 0.4 / height, _subtitle(shown), fontsize=8, color=GREY, va="top", linespacing=1.4)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the version would change the bytes
    write_bytes(path, buffer.getvalue())
    return path


def _subtitle(panels: Sequence[Panel]) -> str:
    seeds = max(panel.seeds for panel in panels)
    over = f", mean of {seeds} seeds; hatched: lowest to highest seed, new ones together" if seeds > 1 else ""
    below = "Strong colours: in no demonstration. Bars: the policies before and after RL, evaluated."
    return f"Share of successes{over}.\n{below}"


def _panel(axis: Axes, panel: Panel) -> None:
    updates = [number for number, shares in panel.rollouts.items() if shares]
    tops = np.array([_tops(panel.rollouts[number]).mean(0) for number in updates])  # [updates, behaviours]
    last, bar = max(updates), max(1.0, 0.045 * (max(updates) + 1))
    axis.set_title(panel.title, loc="left", fontsize=10, color=INK, pad=5)
    for index, behaviour in enumerate(panel.behaviours):
        bottom = tops[:, index - 1] if index else np.zeros(len(updates))
        axis.fill_between(updates, 100 * bottom, 100 * tops[:, index], color=colour(panel, behaviour), linewidth=0)
    if panel.new and panel.seeds > 1:
        _band(axis, panel, updates, len(panel.new) - 1)
    places = {"before": -2.2 * bar, "after": last + 2.2 * bar}
    for name, (_, shares) in panel.ends.items():
        _bar(axis, panel, shares, places[name], bar)
    _name(axis, panel, places, last + 3.8 * bar)
    axis.set_ylim(0, 100)
    axis.set_xlim(-3.1 * bar, last + 3.1 * bar)
    axis.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if last / size <= 8)
    axis.set_xticks(range(0, last + 1, step))
    axis.tick_params(labelsize=8, colors=INK, length=0)
    axis.set_xlabel("updates before the rollouts", fontsize=8.5, color=INK)
    for spine in axis.spines.values():
        spine.set_color(FAINT)


def _tops(shares: Shares) -> NDArray[np.float64]:
    """Cumulative shares ``[seeds, behaviours]``."""
    return np.cumsum(np.array(shares, np.float64), axis=1)


def colour(panel: Panel, behaviour: str) -> str:
    of_kind = [name for name in panel.behaviours if (name in panel.new) == (behaviour in panel.new)]
    palette = NEW if behaviour in panel.new else SHOWN
    return palette[of_kind.index(behaviour) % len(palette)]


def _band(axis: Axes, panel: Panel, updates: Sequence[int], index: int) -> None:
    """From the lowest to the highest seed, around the upper edge of a behaviour's share."""
    edges = [100 * _tops(panel.rollouts[number])[:, index] for number in updates]
    low, high = [edge.min() for edge in edges], [edge.max() for edge in edges]
    shade = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.0, "alpha": 0.35, "hatch": "////"}
    axis.fill_between(updates, low, high, **shade)  # type: ignore[arg-type]


def _bar(axis: Axes, panel: Panel, shares: Shares, place: float, width: float) -> None:
    bottom = 0.0
    for behaviour, share in zip(panel.behaviours, np.mean(shares, axis=0) if shares else (), strict=False):
        axis.bar(place, 100 * share, width, bottom, color=colour(panel, behaviour))
        bottom += 100 * share


def _name(axis: Axes, panel: Panel, places: Mapping[str, float], right: float) -> None:
    """What the bars are, and the behaviours beside the last bar, or in its colour where it has none."""
    for name, (title, _) in panel.ends.items():
        axis.annotate(
            title.removesuffix(", evaluated"), (places[name], 0), xytext=(0, -18), textcoords="offset points",
            ha="center", fontsize=7.5, color=INK, annotation_clip=False,
        )  # fmt: skip
    shares = panel.ends["after"][1] if "after" in panel.ends else ()
    middles = np.zeros(len(panel.behaviours)) if not shares else _middles(shares)
    for behaviour, height in zip(panel.behaviours, spread([100 * one for one in middles], gap=8.0), strict=True):
        axis.annotate(
            behaviour, (right, height), va="center", fontsize=8.5, color=INK,
            fontweight="bold" if behaviour in panel.new else "normal", annotation_clip=False,
        )  # fmt: skip
        axis.annotate(
            "■", (right, height), xytext=(-9, 0), textcoords="offset points", va="center", fontsize=8,
            color=colour(panel, behaviour), annotation_clip=False,
        )  # fmt: skip


def _middles(shares: Shares) -> NDArray[np.float64]:
    tops = _tops(shares).mean(0)
    middles: NDArray[np.float64] = tops - np.mean(shares, axis=0) / 2
    return middles
