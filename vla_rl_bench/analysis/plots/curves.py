"""Success over RL iterations: a panel a column, the mean over seeds, a band from the lowest to the highest seed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.analysis.plots.points import Point, held_out
from vla_rl_bench.analysis.plots.style import (
    BEFORE,
    CHARACTER,
    COLOURS,
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
from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.files import write_bytes
from vla_rl_bench.records.frame import episodes_frame, metrics_frame, run_folders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROLLOUTS = "#d98b2b"  # of the only arm; several arms keep their own colour
PANEL, ONLY_PANEL = (3.3, 2.5), (4.8, 2.8)  # inches


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
        yield from _curve(names[1], bold, True, held_out(episodes, arm, column))


def _training(rollouts: pd.DataFrame) -> list[Point]:
    found = zip(*(rollouts[name].tolist() for name in ("seed", "iteration", "rollout_success")), strict=True)
    return [Point(seed, iteration - 1, rate) for seed, iteration, rate in found]


def _curve(label: str, colour: str, bold: bool, points: Iterable[Point]) -> Iterator[Curve]:
    """The curve over the updates at which every seed was measured, if any."""
    by_update: dict[int, dict[int, float]] = {}
    for point in points:
        by_update.setdefault(point.updates, {})[point.seed] = point.rate
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
    head(figure, title, _subtitle(labels, seeds), left)
    figure.text((left + right) / 2, 0.12 / height, "RL iterations", ha="center", fontsize=9, color=INK)
    return figure


def _subtitle(labels: Sequence[str], seeds: int) -> str:
    what = "Bold: held-out, greedy; thin: training rollouts. " if "" in labels else ""
    return what + (f"Success: mean of {seeds} seeds; band: lowest to highest." if seeds > 1 else "Success.")


def _panel(axis: Axes, column: str, lines: Sequence[Curve]) -> None:
    """One column's curves, thin ones below."""
    dress(axis, column)
    for line in sorted(lines, key=lambda line: line.bold):
        band(axis, line.updates, line.low, line.high, line.colour, 0.18 if line.bold else 0.1)
        axis.plot(
            line.updates,
            percent(line.mean),
            color=line.colour,
            alpha=1.0 if line.bold else 0.7,
            linewidth=2.0 if line.bold else 0.9,
            marker="o" if line.bold else None,
            markersize=3.5,
            clip_on=False,
        )
    values(axis, [(line.updates[-1], line.mean[-1], line.colour) for line in lines if line.bold])
    dashed_levels(axis, [line.mean[0] for line in lines if line.bold and line.updates[0] == 0])
    axis.set_xlim(0, 1.11 * max((line.updates[-1] for line in lines), default=1) or 1)


def _label_ends(axis: Axes, lines: Sequence[Curve]) -> None:
    """Each line's name, and where RL began."""
    ends = [End(100 * line.mean[-1], line.label, line.colour, line.bold) for line in lines if line.label]
    before = [100 * line.mean[0] for line in lines if line.bold and line.updates[0] == 0][:1]
    label_ends(axis, [*ends, *(End(height, BEFORE, INK, False) for height in before)])
