"""Several ways to do one piece of work, measured in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.support.pairs import Seconds, measure, ratio_text


@dataclass(frozen=True)
class Comparison:
    """what: the work.  spent: by side, `Seconds` for each round; the first side is ours.  units: of work in a round."""

    what: str
    spent: dict[str, list[Seconds]]
    unit: str = "s"
    units: int = 1

    @property
    def ours(self) -> str:
        return next(iter(self.spent))

    def cpu(self, side: str) -> float:
        """Median CPU seconds of a round."""
        return statistics.median(one.cpu for one in self.spent[side])

    def wall(self, side: str) -> float:
        return statistics.median(one.wall for one in self.spent[side])

    def ratios(self, side: str, to: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """CPU and wall of `side` over those of `to`, round by round."""
        pairs = list(zip(self.spent[side], self.spent[to], strict=True))
        return tuple(a.cpu / b.cpu for a, b in pairs), tuple(a.wall / b.wall for a, b in pairs)

    def plain(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "units_a_round": self.units,
            "rounds": {side: [asdict(one) for one in found] for side, found in self.spent.items()},
            "ratio_to_ours_cpu": {side: self.ratios(side, self.ours)[0] for side in self.spent},
            "ratio_to_ours_wall": {side: self.ratios(side, self.ours)[1] for side in self.spent},
        }

    def line(self, side: str) -> str:
        """A row of the table in Markdown."""
        cpu, wall = self.ratios(side, self.ours)
        seconds = f"{self.cpu(side) / self.units:.3g} s | {self.wall(side) / self.units:.3g} s"
        if side == self.ours:
            return f"| {self.what} | {side} | {seconds} | | |"
        return f"| | {side} | {seconds} | {ratio_text(cpu)} | {ratio_text(wall)} |"


def interleaved(what: str, sides: Mapping[str, Callable[[], object]], rounds: int, **more: Any) -> Comparison:
    """Round by round each side once, in their order; each must have run before."""
    spent: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            spent[name].append(measure(work))
    return Comparison(what, spent, **more)
