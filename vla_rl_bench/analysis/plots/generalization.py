"""Success on unseen tasks over success on the tasks that are trained on: a panel a column, a path an arm.

After SimpleVLA-RL, figure 5: as training lifts the seen tasks, does the unseen one rise or fall?
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.plots.style import COLOURS, DPI, FAINT, GREY, INK, as_png
from vla_rl_bench.config.schema import MAIN, UNSEEN, ArmConfig, Suite
from vla_rl_bench.files import write_bytes
from vla_rl_bench.records.frame import episodes_frame, run_folders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, LEFT, ABOVE, BELOW = 2.5, 0.7, 1.05, 0.6  # inches
TICKS = ([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])


@dataclass(frozen=True)
class Way:
    """An arm's way through a column.  Rates in [0, 1].

    seen, unseen: the mean over seeds after each point of the curve, in order.  ends: (seen, unseen) of each seed at the
    last one.
    """

    label: str
    colour: str
    seen: tuple[float, ...]
    unseen: tuple[float, ...]
    ends: tuple[tuple[float, float], ...]


def draw_generalisation(
    folder: Path, suite: Suite, run_ids: Collection[str] | None = None, path: Path | None = None
) -> Path | None:
    """Writes ``generalisation.png`` -> its path; None where no arm has a curve of seen and unseen tasks."""
    panels = paths(episodes_frame(run_folders(folder), run_ids), suite)
    if not any(panels.values()):
        return None
    target = path or folder / "generalisation.png"
    write_bytes(target, as_png(_figure(panels, suite)))
    return target


def paths(episodes: pd.DataFrame, suite: Suite) -> dict[str, list[Way]]:
    """Column -> the paths of its arms; greedy episodes on the evaluation's split."""
    during = episodes[episodes["iteration"].notna() & (episodes["sampling"] == "greedy")]
    arms = [arm for arm in suite.arms if (arm.rl and arm.rl.curve) or (arm.sft and arm.sft.curve)]
    return {
        column: list(_of_column(during[during["column"] == column], arms))
        for column in suite.columns
        if column in suite.unseen
    }


def _of_column(episodes: pd.DataFrame, arms: Sequence[ArmConfig]) -> Iterator[Way]:
    for index, arm in enumerate(arms):
        mine = episodes[episodes["arm"] == arm.name]
        seen, unseen = (_rates(mine[mine["evaluation"] == name]) for name in (MAIN, UNSEEN))
        everyone = set().union(*seen.values(), *unseen.values())
        shared = [point for point in seen if seen[point].keys() == unseen.get(point, {}).keys() == everyone]
        if shared:
            last = shared[-1]
            yield Way(
                arm.title or arm.name,
                COLOURS[(index + 1) % len(COLOURS)],
                tuple(fmean(seen[point].values()) for point in shared),
                tuple(fmean(unseen[point].values()) for point in shared),
                tuple((seen[last][seed], unseen[last][seed]) for seed in sorted(everyone)),
            )


def _rates(episodes: pd.DataFrame) -> dict[int, dict[int, float]]:
    """Iteration or step -> seed -> success rate, in order."""
    found: dict[int, dict[int, float]] = {}
    rates = episodes.groupby(["iteration", "seed"])["success"].mean().reset_index()
    for _, iteration, seed, rate in rates.itertuples():
        found.setdefault(int(iteration), {})[int(seed)] = float(rate)
    return found


def _figure(panels: dict[str, list[Way]], suite: Suite) -> Figure:
    from matplotlib.figure import Figure

    across = min(len(panels), 3 if len(panels) % 4 else 4)
    down = -(-len(panels) // across)
    width, height = LEFT + across * PANEL + 0.25, ABOVE + down * PANEL + BELOW
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for index, axis in enumerate(axes.flat):
        if index < len(panels):
            column, lines = list(panels.items())[index]
            _panel(axis, _heading(suite, column), lines)
        else:
            axis.set_visible(False)
    left, right = LEFT / width, 1 - 0.25 / width
    figure.subplots_adjust(left, BELOW / height, right, 1 - ABOVE / height, wspace=0.1, hspace=0.2)
    figure.text(left, 1 - 0.32 / height, suite.title or suite.name, fontsize=11.5, fontweight="bold", color=INK)
    note = (
        "Greedy. Mean over seeds, from where training begins (hollow) to its end (full); small: the end of each seed."
    )
    figure.text(left, 1 - 0.52 / height, note, fontsize=8, color=GREY)
    _legend(figure, panels, left, 1 - 0.72 / height)
    figure.text((left + right) / 2, 0.14 / height, "success on the seen tasks", ha="center", fontsize=9, color=INK)
    figure.text(0.16 / width, 0.5, "success on the unseen task", va="center", rotation=90, fontsize=9, color=INK)
    return figure


def _heading(suite: Suite, column: str) -> str:
    tasks = ", ".join(map(str, suite.unseen[column]))
    return f"{suite.task_suite(column)}, unseen: task {tasks}"


def _legend(figure: Figure, panels: dict[str, list[Way]], left: float, top: float) -> None:
    labels = {line.label: line.colour for lines in panels.values() for line in lines}
    for number, (label, colour) in enumerate(labels.items()):
        figure.text(left + number * 2.4 / figure.get_figwidth(), top, f"● {label}", fontsize=8.5, color=colour)


def _panel(axis: Axes, heading: str, lines: Sequence[Way]) -> None:
    axis.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, zorder=0)
    for line in lines:
        seen, unseen = ([100 * rate for rate in rates] for rates in (line.seen, line.unseen))
        axis.plot(seen, unseen, color=line.colour, linewidth=1.6, marker=".", markersize=4, zorder=2)
        axis.plot(seen[-1], unseen[-1], color=line.colour, marker="o", markersize=7, zorder=4)
        for x, y in line.ends:
            axis.plot(100 * x, 100 * y, color=line.colour, marker="o", markersize=2.6, alpha=0.45, clip_on=False)
    for line in lines[:1]:
        start = (100 * line.seen[0], 100 * line.unseen[0])
        axis.plot(*start, marker="o", markersize=7, markerfacecolor="white", markeredgecolor=INK, zorder=3)
    axis.set_title(heading, loc="left", fontsize=9.5, color=INK, pad=5)
    axis.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axis.set_xticks(*TICKS)
    axis.set_yticks(*TICKS)
    axis.grid(color=FAINT, linewidth=0.4)
    axis.tick_params(labelsize=8, colors=INK, length=0)
    for spine in axis.spines.values():
        spine.set_color(FAINT)
