"""Shared look of the plots: colors, axes of success rates, labels at the ends of lines, PNG and SVG output."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vla_rl_bench.config.schema import Suite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = (
    *("#0b6e99", "#c8553d", "#5b8c3a", "#7d5ba6", "#b8860b", "#3d3d3d"),
    *("#d4679c", "#2a9d8f", "#8c5a3c", "#6c7fd8"),  # beyond six arms
)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))  # beyond ten arms, the colors again
TRAINING = "#d98b2b"  # training rollouts, if the plot has a single arm
INK, GRAY, FAINT = "#333333", "#777777", "#d9d9d9"
INK_ON_DARK = {INK: "#e6e7e8", GRAY: "#a3a8ad", FAINT: "#34383c"}
LIGHTER = 0.42  # part of the way to white that the other colors go on a dark background
SMALLEST = 5  # points: of a title that is too wide
CHARACTER = 0.078  # inches: the width of a bold letter in a label
LEFT = 0.62  # inches: room for the labels of the y axis
DPI = 150
BEFORE = "before RL"


@dataclass(frozen=True)
class ArmStyle:
    """Title, color and dash of an arm, the same in all plots of its suite."""

    name: str
    title: str
    color: str
    dash: Any


def arm_styles(suite: Suite) -> list[ArmStyle]:
    """Style every arm, in the suite's order.  Arms with RL get the first colors.

    A title that begins with ``+`` is put behind the title of the arm it starts from; equal titles get the arm's name.
    """
    titles: dict[str, str] = {}
    for arm in suite.arms:
        title, parent = (arm.title or arm.name).strip(), titles.get(arm.from_ or "", "")
        titles[arm.name] = f"{parent} {title}" if title.startswith("+") and parent else title
    repeated = [title for title in titles.values() if list(titles.values()).count(title) > 1]
    order = [arm.name for arm in sorted(suite.arms, key=lambda arm: arm.rl is None)]
    return [
        ArmStyle(
            arm.name,
            f"{titles[arm.name]} ({arm.name})" if titles[arm.name] in repeated else titles[arm.name],
            COLORS[order.index(arm.name) % len(COLORS)],
            DASHES[order.index(arm.name) // len(COLORS) % len(DASHES)],
        )
        for arm in suite.arms
    ]


@dataclass(frozen=True)
class LineEnd:
    """Label of a line.  height: percent, at the line's end."""

    height: float
    label: str
    color: str
    bold: bool = True


def format_axis(axis: Axes, title: str) -> None:
    """Format a panel of success rates in percent."""
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


def percent(rates: Sequence[float]) -> list[float]:
    return [100 * rate for rate in rates]


def label_values(axis: Axes, ends: Sequence[tuple[float, float, str]]) -> None:
    """Write the last rate of each line beside its last point.  ends: x, rate in [0, 1], color."""
    heights = [100 * rate for _, rate, _ in ends]
    for (x, _, color), height, placed in zip(ends, heights, spread(heights, gap=8.0), strict=True):
        axis.annotate(
            f"{math.floor(height + 0.5)}", (x, placed), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=8.5, fontweight="bold", color=color, annotation_clip=False,
        )  # fmt: skip


def label_ends(axis: Axes, ends: Sequence[LineEnd], gap: float = 9.0) -> list[float]:
    """Write labels beside the panel, at least `gap` percent apart; return their heights in percent."""
    heights = spread([end.height for end in ends], gap)
    for end, height in zip(ends, heights, strict=True):
        axis.annotate(
            end.label, (1.0, height), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8, color=end.color, fontweight="bold" if end.bold else "normal",
            annotation_clip=False,
        )  # fmt: skip
    return heights


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights as little as needed until neighbors are `gap` apart; their order stays."""
    order = sorted(range(len(heights)), key=lambda index: (heights[index], index))
    placed = [heights[index] for index in order]
    for _ in range(100):
        for low in range(len(placed) - 1):
            lack = gap - (placed[low + 1] - placed[low])
            if lack > 0:
                placed[low] -= lack / 2
                placed[low + 1] += lack / 2
    return [placed[order.index(index)] for index in range(len(heights))]


def write_title(figure: Figure, title: str, subtitle: str, left: float) -> None:
    """Write a title, on two lines or smaller if it is too wide, and a subtitle.

    Args:
        left: Where both begin, as a fraction of the figure's width.
    """
    width, height = figure.get_size_inches()
    size = 11.5
    text = figure.text(left, 1 - 0.32 / height, title, fontsize=size, fontweight="bold", color=INK, linespacing=1.05)
    figure.text(left, 1 - 0.52 / height, subtitle, fontsize=8, color=GRAY)
    room = (0.99 - left) * width * figure.dpi
    words = title.split(" ")
    if text.get_window_extent().width > room and len(words) > 1:
        halves = ((" ".join(words[:number]), " ".join(words[number:])) for number in range(1, len(words)))
        text.set_text("\n".join(min(halves, key=lambda pair: max(map(len, pair)))))
        size = 9.5  # two lines have room above the subtitle
        text.set_fontsize(size)
    while text.get_window_extent().width > room and size > SMALLEST:
        size -= 0.5
        text.set_fontsize(size)


def as_png(figure: Figure) -> bytes:
    """Encode a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the version would change the bytes
    return buffer.getvalue()


def as_svg(figure: Figure, name: str, description: str) -> str:
    """Encode a figure as an ``svg`` element for an HTML page; the same figure gives the same text.

    Text stays text in the page's font, the background is transparent, and colors are CSS variables (`css_colors`).

    Args:
        figure: The figure.
        name: Unique on the page; ids inside the element are made from it.
        description: Read out by screen readers.
    """
    from xml.etree import ElementTree

    import matplotlib

    buffer = io.BytesIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    root = ElementTree.fromstring(buffer.getvalue())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # HTML needs no namespaces
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        if element.tag == "g":
            attributes.pop("id", None)
        if "style" in attributes:
            style = re.sub(r"font-family: [^;]*;? ?", "", attributes["style"])
            attributes["style"] = re.sub(r"#[0-9a-f]{6}", lambda match: css_color(match[0]), style)
        element.attrib = attributes
        element.tail = (element.tail or "").strip()
        element.text = (element.text or "").strip()
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": description}
    return ElementTree.tostring(root, encoding="unicode")


def css_color(color: str) -> str:
    """The CSS variable of a color, as ``var(--c-0b6e99, #0b6e99)``."""
    return f"var(--c-{color.lstrip('#')}, {color})"


def css_colors(*, dark: bool) -> str:
    """CSS declarations of the variables that `css_color` names, for a light or a dark page."""
    return " ".join(
        f"--c-{color.lstrip('#')}: {_on_dark(color) if dark else color};" for color in (*COLORS, TRAINING, *INK_ON_DARK)
    )


def _on_dark(color: str) -> str:
    parts = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    return INK_ON_DARK.get(color) or "#" + "".join(f"{round(part + LIGHTER * (255 - part)):02x}" for part in parts)
