"""Look for scenes that a task's expert solves: ``python -m vla_rl_bench_robotwin.v2.seeds TASK... [--count N]``.

Runs in the worker's interpreter.  Adds to a file of scene seeds, after each scene, and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vla_rl_bench.types import Start
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.tasks import MESH_FREE, TASKS
from vla_rl_bench_robotwin.v2 import runtime, scene_seeds
from vla_rl_bench_robotwin.v2.environment import RoboTwinEnvironment
from vla_rl_bench_robotwin.v2.scene import Scene


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    options = RoboTwinOptions(assets=given.assets, image_height=16, image_width=16)
    for task in given.tasks:
        for split in given.splits or scene_seeds.SPLITS:
            scan(given.file, task, split, given.count, options)


def scan(file: Path, task: str, split: str, count: int, options: RoboTwinOptions) -> None:
    """Until the file lists `count` scenes of the split, or all seeds of its room are tried."""
    environment = OneScene(task, options)
    record = read(file)
    scenes = record["tasks"].setdefault(task, {name: {"tried": 0, "solved": []} for name in scene_seeds.SPLITS})[split]
    while len(scenes["solved"]) < count and scenes["tried"] < 10 * scene_seeds.ROOM:
        seed = scene_seeds.FIRST[split] + scenes["tried"]
        started = time.perf_counter()
        solved = environment.solves(seed)
        scenes["tried"] += 1
        scenes["solved"] += [seed] if solved else []
        write(file, record)
        print(
            f"{task} {split} {seed}: {'solved' if solved else 'not solved'} in {time.perf_counter() - started:.1f} s, "
            f"{len(scenes['solved'])} of {count}, {scenes['tried']} tried",
            flush=True,
        )
    environment.close()


class OneScene(RoboTwinEnvironment):
    """The environment of one task, whose starts are scene seeds themselves."""

    def __init__(self, task: str, options: RoboTwinOptions) -> None:
        super().__init__(task, options, listed=False)
        self._task = task

    def _build(self, start: Start) -> None:
        self.close()
        self._taken, self._limit = 0, self.contract.tasks[0].step_limit
        self._scene = Scene(self._task, start.index, self.options, self._assets)

    def solves(self, seed: int) -> bool:
        """Check that the expert solves the scene, and its waypoints as chunks of actions too."""
        runtime.prepare(self._assets.folder())
        try:
            return self.solve(Start(0, seed), 0) is not None
        except runtime.unstable():
            return False


def read(file: Path) -> dict[str, Any]:
    if file.is_file():
        return json.loads(file.read_text())  # type: ignore[no-any-return]
    return {"tasks": {}}


def write(file: Path, record: dict[str, Any]) -> None:
    """In one step, a line a list."""
    tasks = ",\n".join(f"  {json.dumps(task)}: {{\n{_splits(splits)}\n  }}" for task, splits in record["tasks"].items())
    new = file.with_name(file.name + ".new")
    new.write_text(f'{{"tasks": {{\n{tasks}\n}}}}\n')
    new.replace(file)


def _splits(splits: dict[str, Any]) -> str:
    return ",\n".join(f"    {json.dumps(split)}: {json.dumps(scenes)}" for split, scenes in splits.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], default=list(MESH_FREE), metavar="TASK")
    parser.add_argument("--split", dest="splits", action="append", choices=scene_seeds.SPLITS, help="all without it")
    parser.add_argument("--count", type=int, default=32, help="solved scenes a task and split (default: 32)")
    parser.add_argument("--file", type=Path, default=scene_seeds.SHIPPED, help="default: the list of the plugin")
    parser.add_argument("--assets", choices=("auto", "real", "procedural"), default="procedural")
    return parser


if __name__ == "__main__":
    main()
