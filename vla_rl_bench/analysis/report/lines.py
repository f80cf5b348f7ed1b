"""Learning curves as coordinates: a panel a column, drawn by ``curves.svg.j2``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vla_rl_bench.analysis.plots.curves import Curve, curves
from vla_rl_bench.analysis.report.palette import css, titled
from vla_rl_bench.analysis.report.sources import Evidence

WIDTH, HEIGHT = 340, 214
LEFT, RIGHT, TOP, BOTTOM = 34, 34, 10, 30  # units of the picture
GAP = 12  # between the figures at the ends of two lines
TICKS = 5  # at most so many on the axis of iterations


@dataclass(frozen=True)
class Drawn:
    """points, band: SVG coordinates.  end: the last rate in percent and the height of its figure."""

    label: str
    colour: str
    bold: bool
    points: tuple[tuple[float, float], ...]
    band: str
    end: str
    end_height: float
    rates: tuple[tuple[int, float, float, float], ...]

    @property
    def path(self) -> str:
        return _path(self.points)

    def at(self, step: int) -> str:
        """``50.0 (37.0–60.5)``, or a dash where this line was not measured."""
        found = next((rates for update, *rates in self.rates if update == step), None)
        return "–" if found is None else "{:.1f} ({:.1f}–{:.1f})".format(*found)


@dataclass(frozen=True)
class Panel:
    """before: the height of the level before RL, if it was measured.  summary: in words.  note: seeds that lack."""

    column: str
    lines: tuple[Drawn, ...]
    ticks: tuple[tuple[int, float], ...]
    before: float | None
    summary: str
    note: str

    @property
    def steps(self) -> list[int]:
        """Where any held-out line was measured."""
        return sorted({update for line in self.lines if line.bold for update, *_ in line.rates})


def panels(evidence: Evidence) -> list[Panel]:
    """Every column of the suite; one without lines where nothing was measured.  Empty when no arm has RL."""
    found = curves(evidence.episodes, evidence.metrics, titled(evidence.suite))
    if not any(found.values()):
        return []
    last = max((line.updates[-1] for lines in found.values() for line in lines), default=1) or 1
    return [_panel(column, lines, last, _note(evidence, column)) for column, lines in found.items()]


def _note(evidence: Evidence, column: str) -> str:
    """Arms that lack seeds in this column."""
    arms = [(arm.title, len(evidence.of(arm.name, column))) for arm in titled(evidence.suite).arms if arm.rl]
    all_of = len(evidence.suite.seeds)
    return "; ".join(f"{title}: {there} of {all_of} seeds" for title, there in arms if there < all_of)


def height(rate: float) -> float:
    """0 to 1 -> where it stands in the picture."""
    return round(HEIGHT - BOTTOM - rate * (HEIGHT - TOP - BOTTOM), 1)


def _panel(column: str, lines: Sequence[Curve], last: int, note: str) -> Panel:
    ordered = sorted(lines, key=lambda line: line.bold)
    ends = _spread([height(line.mean[-1]) for line in ordered if line.bold])
    heights = iter(ends)
    drawn = tuple(_drawn(line, last, next(heights) if line.bold else 0.0) for line in ordered)
    bold = [line for line in ordered if line.bold]
    before = next((height(line.mean[0]) for line in bold if line.updates[0] == 0), None)
    return Panel(
        column, drawn, tuple((tick, _across(tick, last)) for tick in _ticks(last)), before, _summary(bold), note
    )


def _drawn(line: Curve, last: int, end: float) -> Drawn:
    def at(rates: Sequence[float]) -> list[tuple[float, float]]:
        return [(_across(step, last), height(rate)) for step, rate in zip(line.updates, rates, strict=True)]

    rates = zip(line.updates, line.mean, line.low, line.high, strict=True)
    return Drawn(
        label=line.label,
        colour=css(line.colour),
        bold=line.bold,
        points=tuple(at(line.mean)),
        band=_path([*at(line.high), *reversed(at(line.low))]),
        end=f"{math.floor(100 * line.mean[-1] + 0.5)}",
        end_height=end,
        rates=tuple((step, 100 * mean, 100 * low, 100 * high) for step, mean, low, high in rates),
    )


def _across(updates: int, last: int) -> float:
    return round(LEFT + updates / last * (WIDTH - LEFT - RIGHT), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _ticks(last: int) -> list[int]:
    """Round numbers from 0 up to `last`."""
    steps = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    return list(range(0, last + 1, next(step for step in steps if last / step <= TICKS)))


def _spread(heights: Sequence[float]) -> list[float]:
    """The heights, from the top down, pushed apart where two figures would overlap."""
    placed: dict[int, float] = {}
    above = -math.inf
    for index in sorted(range(len(heights)), key=lambda one: heights[one]):
        placed[index] = above = max(heights[index], above + GAP)
    over = max([*placed.values(), 0.0]) - (HEIGHT - BOTTOM)
    return [placed[index] - max(over, 0.0) for index in range(len(heights))]


def _summary(bold: Sequence[Curve]) -> str:
    parts = []
    for line in bold:
        first, final = (f"{100 * rate:.0f}%" for rate in (line.mean[0], line.mean[-1]))
        parts.append(
            f"{line.label or 'held out'}: {first} after {line.updates[0]} and {final} after {line.updates[-1]}"
        )
    return "; ".join(parts) + " RL iterations" if parts else "nothing measured yet"
