"""Scene seeds of the starts.  Standard library only.

Start indices 0 to 999 are the demonstration split, 1000 to 1999 the training split, 2000 to 2999 the held-out split;
the first of a split means the first seed of its list.  Lists hold scenes that the task's expert solved, and only grow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from vla_rl_bench.errors import UserError
from vla_rl_bench_robotwin.v2 import boxes

SPLITS = ("demonstration", "training", "held-out")
ROOM = 1000  # start indices of a split

# The first scene seed that a scan tries.  training, held-out: SimpleVLA-RL's (train from 100000, evaluation from
# 100100000); demonstrations are ours, between them.
FIRST = {"training": 100_000, "demonstration": 50_100_000, "held-out": 100_100_000}

_UNSTABLE = 10_000  # added to a seed whose scene does not come to rest, where no list says which do
RETRIES = 20

Lists = Mapping[str, Mapping[str, Sequence[int]]]  # task -> split -> scene seeds

SHIPPED = Path(__file__).parent / "data" / f"scene_seeds_{boxes.VERSION}.json"


@cache
def load(path: Path) -> Lists:
    """A file that ``python -m vla_rl_bench_robotwin.v2.seeds`` wrote."""
    try:
        tasks = json.loads(path.read_text())["tasks"]
        return {task: {split: tuple(splits[split]["solved"]) for split in SPLITS} for task, splits in tasks.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"environment.seeds: {path} is not a list of scene seeds ({type(error).__name__}: {error}). "
            "Make one: python -m vla_rl_bench_robotwin.v2.seeds"
        ) from error


def bounds(lists: Lists | None, tasks: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Half-open ranges of start indices that all tasks have; without lists all that there is room for."""
    return {
        split: (place * ROOM, place * ROOM + min(_count(lists, task, split) for task in tasks))
        for place, split in enumerate(SPLITS)
    }


def _count(lists: Lists | None, task: str, split: str) -> int:
    if lists is None:
        return ROOM
    count = min(ROOM, len(lists.get(task, {}).get(split, ())))
    if not count:
        raise UserError(
            f"environment.seeds: no {split} scene of {task} is listed. Find some: python -m "
            f"vla_rl_bench_robotwin.v2.seeds {task} --split {split}"
        )
    return count


def candidates(lists: Lists | None, task: str, index: int) -> Iterator[int]:
    """Scene seeds for a start, to be tried in this order until one comes to rest; a listed one has."""
    split, number = SPLITS[index // ROOM], index % ROOM
    if lists is not None:
        yield lists[task][split][number]
        return
    for retry in range(RETRIES):
        yield FIRST[split] + number + retry * _UNSTABLE
