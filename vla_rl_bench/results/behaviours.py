"""What an episode did, in a word: a label that its environment derives from the events it reported.

For the record alone: no label reaches a policy, a trick or an update.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from vla_rl_bench.entries import EnvironmentEntry, load
from vla_rl_bench.records.store import RunFolder

Label = Callable[[Sequence[str]], str]
Outcome = tuple[tuple[str, ...], bool]
"""An episode's events, and whether it succeeded."""

NO_EVENT = "none"


def in_order(events: Sequence[str]) -> str:
    """``("grasped", "dropped", "grasped") -> "grasped+dropped"``; without an event ``none``."""
    return "+".join(dict.fromkeys(events)) or NO_EVENT


def labels_of(entry: EnvironmentEntry) -> Label:
    """The environment's own labels, or the events themselves."""
    return load(entry.behaviour) if entry.behaviour else in_order


def tally(outcomes: Mapping[Outcome, int], label: Label) -> dict[str, tuple[int, int]]:
    """Label -> episodes, and successes among them; by label."""
    episodes, successes = Counter[str](), Counter[str]()
    for (events, success), count in outcomes.items():
        name = label(events)
        episodes[name] += count
        successes[name] += count * success
    return {name: (episodes[name], successes[name]) for name in sorted(episodes)}


def count(events: Iterable[tuple[str, ...] | None], label: Label) -> dict[str, int] | None:
    """Label -> demonstrations; None if the events of some were not noted."""
    noted = list(events)
    if any(one is None for one in noted):
        return None
    return dict(sorted(Counter(label(one) for one in noted if one is not None).items()))


def demonstrated(run: Path) -> dict[str, int] | None:
    """Label -> demonstrations that the policy of a run's folder, or those it began with, learnt from.

    None where that was not recorded.
    """
    total = Counter[str]()
    name: str | None = run.name
    while name is not None:
        record = RunFolder(run.with_name(name)).read()
        if record.get("recipe", {}).get("demonstrations"):
            if record.get("demonstrated") is None:
                return None
            total.update(record["demonstrated"])
        name = record.get("parent")
    return dict(sorted(total.items()))
