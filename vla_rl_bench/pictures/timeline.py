"""Who did what when: a lane a process, a bar a span, coloured by activity; what is empty was waiting."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.files import write_bytes
from vla_rl_bench.rollout.timing import TRAINER, Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "stepping": "#0b6e99",
    "rendering": "#5b8c3a",
    "reset": "#b8860b",
    "policy": "#c8553d",
    "update": "#7d5ba6",
    "transfer": "#3d3d3d",
}
OTHER = "#9a9a9a"
INK, GREY, WAITING = "#333333", "#777777", "#f0f0f0"
WIDTH, LANE, LEFT = 11.0, 0.36, 0.95  # inches
ABOVE, BELOW = 1.0, 0.55  # inches: title and legend; axis
DPI = 150


def draw_timeline(spans: Sequence[Span], path: Path, *, title: str, subtitle: str = "") -> None:
    """Writes a PNG.  spans: of any length and in any order; the picture begins with the first."""
    buffer = io.BytesIO()
    _figure(spans, title, subtitle).savefig(buffer, format="png", metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def lanes(spans: Sequence[Span]) -> list[str]:
    """From top to bottom: the trainer, then the workers by number."""

    def place(lane: str) -> tuple[bool, int, str]:
        number = lane.rpartition(" ")[2]
        return lane != TRAINER, int(number) if number.isdigit() else 0, lane

    return sorted({span.process for span in spans}, key=place)


def bars(spans: Sequence[Span], lane: str, activity: str) -> list[tuple[float, float]]:
    """(start, length) in seconds of what a lane did, in order; what overlaps or touches is one bar."""
    found: list[tuple[float, float]] = []
    for span in sorted(
        (one for one in spans if (one.process, one.activity) == (lane, activity)), key=lambda s: s.start
    ):
        if found and span.start <= sum(found[-1]):
            start = found[-1][0]
            found[-1] = (start, max(sum(found[-1]), span.end) - start)
        else:
            found.append((span.start, span.end - span.start))
    return found


def activities(spans: Sequence[Span]) -> list[str]:
    """Those that occur, ours first and in our order."""
    found = {span.activity for span in spans}
    return [name for name in COLOURS if name in found] + sorted(found - set(COLOURS))


def _figure(spans: Sequence[Span], title: str, subtitle: str) -> Figure:
    from matplotlib.figure import Figure

    rows = lanes(spans)
    height = ABOVE + LANE * max(len(rows), 1) + BELOW
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    axis = figure.add_axes((LEFT / WIDTH, BELOW / height, 1 - (LEFT + 0.25) / WIDTH, 1 - (ABOVE + BELOW) / height))
    _draw(axis, spans, rows)
    figure.text(LEFT / WIDTH, 1 - 0.3 / height, title, fontsize=11.5, fontweight="bold", color=INK)
    figure.text(LEFT / WIDTH, 1 - 0.52 / height, subtitle, fontsize=8.5, color=GREY)
    figure.legend(
        handles=_legend(spans), loc="upper left", bbox_to_anchor=((LEFT - 0.1) / WIDTH, 1 - 0.58 / height), ncol=8,
        fontsize=8, frameon=False, handlelength=1.0, handleheight=1.0, columnspacing=1.4, labelcolor=INK,
    )  # fmt: skip
    return figure


def _legend(spans: Sequence[Span]) -> list[object]:
    from matplotlib.patches import Patch

    shown = [Patch(color=COLOURS.get(name, OTHER), label=name) for name in activities(spans)]
    return [*shown, Patch(color=WAITING, label="waiting")]


def _draw(axis: Axes, spans: Sequence[Span], rows: Sequence[str]) -> None:
    first = min((span.start for span in spans), default=0.0)
    length = max((span.end for span in spans), default=1.0) - first
    for row, lane in enumerate(rows):
        axis.broken_barh([(0, length)], (row - 0.4, 0.8), facecolor=WAITING)
        for activity in activities(spans):
            shifted = [(start - first, long) for start, long in bars(spans, lane, activity)]
            axis.broken_barh(shifted, (row - 0.4, 0.8), facecolor=COLOURS.get(activity, OTHER), linewidth=0)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axis.set_xlim(0, length)
    axis.set_xlabel("seconds", fontsize=8.5, color=INK, labelpad=2)
    axis.tick_params(labelsize=8.5, colors=INK, length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
