"""How our curves look, whatever they show: colours, axes, and labels that stand beside the ends of lines."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    *("#0b6e99", "#c8553d", "#5b8c3a", "#7d5ba6", "#b8860b", "#3d3d3d"),
    *("#d4679c", "#2a9d8f", "#8c5a3c", "#6c7fd8"),  # beyond six arms
)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))  # beyond ten: the colours again
INK, GREY, FAINT = "#333333", "#777777", "#d9d9d9"
CHARACTER = 0.078  # inches: a bold letter of a label, which stands to the right of the last panel
LEFT = 0.62  # inches
DPI = 150
BEFORE = "before RL"


@dataclass(frozen=True)
class End:
    """The name of a line.  height: in percent, where the line ends."""

    height: float
    label: str
    colour: str
    bold: bool = True


def dress(axis: Axes, title: str) -> None:
    """A panel of success rates in percent."""
    from matplotlib.ticker import MaxNLocator

    axis.set_title(title, loc="left", fontsize=10, color=INK, pad=5)
    axis.set_ylim(0, 100)
    axis.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    axis.grid(axis="y", color=FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, colors=INK, length=0)
    for side, spine in axis.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)


def band(
    axis: Axes, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, alpha: float
) -> None:
    """low, high: rates in [0, 1]."""
    axis.fill_between(x, percent(low), percent(high), color=colour, alpha=alpha, linewidth=0)


def dashed_levels(axis: Axes, levels: Sequence[float]) -> None:
    """A line across at each success rate where curves begin."""
    for level in sorted(set(levels)):
        axis.axhline(100 * level, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7)


def percent(rates: Sequence[float]) -> list[float]:
    return [100 * rate for rate in rates]


def values(axis: Axes, ends: Sequence[tuple[float, float, str]]) -> None:
    """The last rate of each curve, beside its last point.  ends: x, rate in [0, 1], colour."""
    heights = [100 * rate for _, rate, _ in ends]
    for (x, _, colour), height, placed in zip(ends, heights, spread(heights, gap=8.0), strict=True):
        axis.annotate(
            f"{math.floor(height + 0.5)}",
            (x, placed),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight="bold",
            color=colour,
            annotation_clip=False,
        )


def label_ends(axis: Axes, ends: Sequence[End], gap: float = 9.0) -> list[float]:
    """Each line's name beside the panel, in its colour, `gap` percent apart or more -> their heights in percent."""
    heights = spread([end.height for end in ends], gap)
    for end, height in zip(ends, heights, strict=True):
        axis.annotate(
            end.label,
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=end.colour,
            fontweight="bold" if end.bold else "normal",
            annotation_clip=False,
        )
    return heights


def spread(heights: Sequence[float], gap: float) -> list[float]:
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


def head(figure: Figure, title: str, subtitle: str, left: float) -> None:
    """left: a fraction of the figure's width."""
    height = figure.get_size_inches()[1]
    figure.text(left, 1 - 0.32 / height, title, fontsize=11.5, fontweight="bold", color=INK)
    figure.text(left, 1 - 0.52 / height, subtitle, fontsize=8, color=GREY)


def as_png(figure: Figure) -> bytes:
    """The same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the version would change the bytes
    return buffer.getvalue()
