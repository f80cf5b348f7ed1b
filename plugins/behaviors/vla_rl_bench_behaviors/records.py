"""The behaviors of a run's episodes, and the files of a run's folder that hold them.

A behavior is one word for the way in which an episode was played. The environment derives it from the events that the
episode reported.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vla_rl_bench.catalog import discover
from vla_rl_bench.entries import load
from vla_rl_bench.files import read_json_lines, write_bytes
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.types import FloatArray, Start

COUNTS_FILE = "behaviors.jsonl"  # one line per iteration: behavior -> [episodes, successes]
SUCCESSES_FOLDER = "firsts"

Classify = Callable[[Sequence[str]], str]
"""The events of an episode, in order -> its behavior."""


def classifier(environment: str) -> Classify:
    """The environment's own behaviors; without them, the sequence of events."""
    entry = discover().environment(environment)
    return load(entry.behavior) if entry.behavior else event_sequence


def event_sequence(events: Sequence[str]) -> str:
    """Join the events, each once: ``("grasped", "dropped", "grasped")`` -> ``grasped+dropped``; none: ``none``."""
    return "+".join(dict.fromkeys(events)) or "none"


@dataclass(frozen=True)
class BehaviorCounts:
    """Episodes of one policy."""

    successes: dict[str, int]  # behavior -> successes
    episodes: int  # failures included

    @property
    def total(self) -> int:
        return sum(self.successes.values())

    def share(self, behavior: str) -> float | None:
        """Compute the behavior's share of the successes; None without successes."""
        return self.successes.get(behavior, 0) / self.total if self.total else None


def demonstrated(run: Path, classify: Classify) -> dict[str, int] | None:
    """Count the behaviors of the demonstrations that a run and the runs it started from were trained on.

    None if the events of some are not recorded.
    """
    total = Counter[str]()
    name: str | None = run.name
    while name is not None:
        record = RunFolder(run.with_name(name)).read()
        if record.get("recipe", {}).get("demonstrations"):
            if record.get("demonstration_events") is not None:
                for events, count in record["demonstration_events"]:
                    total[classify(events)] += count
            elif record.get("demonstrated") is not None:  # written by vla-rl-bench 0.1
                total.update(record["demonstrated"])
            else:
                return None
        name = record.get("parent")
    return dict(sorted(total.items()))


def rollout_counts(run: Path) -> dict[int, BehaviorCounts]:
    """Count all rollouts of each recorded iteration, in kept and rejected groups."""
    old = [(line, "behaviours") for line in read_json_lines(RunFolder(run).metrics_path)]  # written by vla-rl-bench 0.1
    lines = [*old, *((line, "behaviors") for line in read_json_lines(run / COUNTS_FILE))]
    return {
        line["iteration"]: BehaviorCounts(
            {behavior: successes for behavior, (_, successes) in line[key].items() if successes},
            sum(episodes for episodes, _ in line[key].values()),
        )
        for line, key in lines
        if key in line
    }


@dataclass(frozen=True)
class NovelSuccess:
    """A successful rollout with a behavior that no demonstration has."""

    behavior: str
    iteration: int
    group: int
    rollout: int
    start: Start
    actions: FloatArray  # float32 [steps, D], as executed

    @property
    def file_name(self) -> str:
        return f"{file_stem(self.behavior)}-i{self.iteration:05d}-g{self.group:04d}-r{self.rollout:03d}.npz"


def file_stem(behavior: str) -> str:
    return re.sub(r"[^\w+]", "_", behavior)


def success_files(run: Path) -> dict[Path, tuple[str, int, int, int]]:
    """File -> (stem of the behavior, iteration, group, rollout), in this order."""
    places = {}
    for path in (run / SUCCESSES_FOLDER).glob("[!.]*.npz"):
        stem, *numbers = path.stem.rsplit("-", 3)
        iteration, group, rollout = (int(number[1:]) for number in numbers)
        places[path] = (stem, iteration, group, rollout)
    return dict(sorted(places.items(), key=lambda item: item[1]))


def write_success(run: Path, success: NovelSuccess) -> None:
    start = success.start
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        behaviour=np.array(success.behavior),
        place=np.array([success.iteration, success.group, success.rollout, start.task, start.index]),
        actions=success.actions,
    )
    write_bytes(run / SUCCESSES_FOLDER / success.file_name, buffer.getvalue())


def read_successes(run: Path) -> list[NovelSuccess]:
    """Read the successes of a run, ordered by iteration, group and rollout."""
    successes = []
    for path in success_files(run):
        with np.load(path) as archive:
            iteration, group, rollout, task, index = archive["place"].tolist()
            behavior, actions = str(archive["behaviour"]), archive["actions"]
        successes.append(NovelSuccess(behavior, iteration, group, rollout, Start(task, index), actions))
    return sorted(successes, key=lambda success: (success.iteration, success.group, success.rollout))
