"""Success on unseen tasks over success on the tasks that are trained on: a panel per column, a path per arm.

After SimpleVLA-RL, figure 5: as training raises the seen tasks, does the unseen one rise or fall?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.plots.style import DPI, FAINT, INK, ArmStyle, arm_styles, as_png, percent, write_title
from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.config.schema import GREEDY, MAIN, UNSEEN, Suite
from vla_rl_bench.files import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, LEFT, ABOVE, BELOW = 2.5, 0.7, 1.05, 0.6  # inches
TICKS = ([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])


@dataclass(frozen=True)
class TrainingPath:
    """Success of an arm on seen and unseen tasks of a column while it is trained; rates in [0, 1]."""

    label: str
    color: str
    seen_success: tuple[float, ...]  # mean over seeds at each point of the curve, in order
    unseen_success: tuple[float, ...]
    ends: tuple[tuple[float, float], ...]  # (seen, unseen) of each seed at the last point


def draw_generalization(source: SuiteRuns, path: Path | None = None) -> Path | None:
    """Write ``generalisation.png`` -> its path; None if no arm has a curve of seen and unseen tasks."""
    panels = training_paths(source.episodes, source.suite)
    if not any(panels.values()):
        return None
    target = path or source.outputs / "generalisation.png"
    write_bytes(target, as_png(_figure(panels, source.suite)))
    return target


def training_paths(episodes: pd.DataFrame, suite: Suite) -> dict[str, list[TrainingPath]]:
    """The paths of each column's arms, from greedy episodes on the evaluation's split."""
    during = episodes[episodes["iteration"].notna() & (episodes["sampling"] == GREEDY)]
    curved = {arm.name for arm in suite.arms if (arm.rl and arm.rl.curve) or (arm.sft and arm.sft.curve)}
    styles = [style for style in arm_styles(suite) if style.name in curved]
    return {
        column: list(_paths(during[during["column"] == column], styles))
        for column in suite.columns
        if column in suite.unseen
    }


def _paths(episodes: pd.DataFrame, styles: Sequence[ArmStyle]) -> Iterator[TrainingPath]:
    for style in styles:
        own = episodes[episodes["arm"] == style.name]
        on_seen, on_unseen = (_rates(own[own["evaluation"] == name]) for name in (MAIN, UNSEEN))
        seeds = set().union(*on_seen.values(), *on_unseen.values())
        shared = [point for point in on_seen if on_seen[point].keys() == on_unseen.get(point, {}).keys() == seeds]
        if shared:
            last = shared[-1]
            yield TrainingPath(
                style.title,
                style.color,
                tuple(fmean(on_seen[point].values()) for point in shared),
                tuple(fmean(on_unseen[point].values()) for point in shared),
                tuple((on_seen[last][seed], on_unseen[last][seed]) for seed in sorted(seeds)),
            )


def _rates(episodes: pd.DataFrame) -> dict[int, dict[int, float]]:
    """Success rates by iteration or step, then by seed, in order."""
    by_point: dict[int, dict[int, float]] = {}
    rates = episodes.groupby(["iteration", "seed"])["success"].mean().reset_index()
    for _, iteration, seed, rate in rates.itertuples():
        by_point.setdefault(int(iteration), {})[int(seed)] = float(rate)
    return by_point


def _figure(panels: dict[str, list[TrainingPath]], suite: Suite) -> Figure:
    from matplotlib.figure import Figure

    across = min(len(panels), 3 if len(panels) % 4 else 4)
    down = -(-len(panels) // across)
    width, height = LEFT + across * PANEL + 0.25, ABOVE + down * PANEL + BELOW
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for index, axis in enumerate(axes.flat):
        if index < len(panels):
            column, paths = list(panels.items())[index]
            tasks = ", ".join(map(str, suite.unseen[column]))
            _draw(axis, f"{suite.task_suite(column)}, unseen: task {tasks}", paths)
        else:
            axis.set_visible(False)
    left, right = LEFT / width, 1 - 0.25 / width
    figure.subplots_adjust(left, BELOW / height, right, 1 - ABOVE / height, wspace=0.1, hspace=0.2)
    subtitle = (
        "Greedy. Mean over seeds, from the start of training (hollow) to its end (full); small: end of each seed."
    )
    write_title(figure, suite.title or suite.name, subtitle, left)
    colors = {path.label: path.color for paths in panels.values() for path in paths}
    for number, (label, color) in enumerate(colors.items()):
        figure.text(left + number * 2.4 / width, 1 - 0.72 / height, f"● {label}", fontsize=8.5, color=color)
    figure.text((left + right) / 2, 0.14 / height, "success on the seen tasks", ha="center", fontsize=9, color=INK)
    figure.text(0.16 / width, 0.5, "success on the unseen task", va="center", rotation=90, fontsize=9, color=INK)
    return figure


def _draw(axis: Axes, title: str, paths: Sequence[TrainingPath]) -> None:
    axis.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, zorder=0)
    for path in paths:
        on_seen, on_unseen = percent(path.seen_success), percent(path.unseen_success)
        axis.plot(on_seen, on_unseen, color=path.color, linewidth=1.6, marker=".", markersize=4, zorder=2)
        axis.plot(on_seen[-1], on_unseen[-1], color=path.color, marker="o", markersize=7, zorder=4, clip_on=False)
        for x, y in path.ends:
            axis.plot(100 * x, 100 * y, color=path.color, marker="o", markersize=2.6, alpha=0.45, clip_on=False)
    for path in paths[:1]:
        start = (100 * path.seen_success[0], 100 * path.unseen_success[0])
        axis.plot(*start, marker="o", markersize=7, markerfacecolor="white", markeredgecolor=INK, zorder=3)
    axis.set_title(title, loc="left", fontsize=9.5, color=INK, pad=5)
    axis.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axis.set_xticks(*TICKS)
    axis.set_yticks(*TICKS)
    axis.grid(color=FAINT, linewidth=0.4)
    axis.tick_params(labelsize=8, colors=INK, length=0)
    for spine in axis.spines.values():
        spine.set_color(FAINT)
