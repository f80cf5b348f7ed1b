"""How busy LIBERO rollouts keep two cores, and what memory they take, by rendering and environments a worker.

``python -m tests.benchmarks.utilisation --out results/benchmarks`` writes ``utilisation.json`` and ``utilisation.md``.
The built-in policy as suites/libero/object_nano.yaml has it, two tasks, two workers.  On a machine that does nothing
else: whatever others take is missing from the share.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.support.settings import conditions, nano
from tests.benchmarks.workloads.iteration import LIBERO_POLICY, LIBERO_SUITE, WORKERS
from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.engine.iteration_times import IterationTimer
from vla_rl_bench.options import make_options
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Start

ROOT = Path(__file__).parents[2]
TASKS, SIZE, LIMIT, PIXELS = (0, 3), 8, 160, 64
SETTINGS = (("fast", 1), ("fast", 2), ("exact", 1), ("exact", 2))  # rendering, environments a worker
GROUPS = {"fast": 3, "exact": 2}  # some half a minute each
GB = 1e9  # bytes


def measured(catalog: Catalog, rendering: str, environments: int) -> dict[str, Any]:
    """One rollout, after every slot has built the simulators of both tasks."""
    entry = catalog.environment("libero")
    chosen = {"rendering": rendering, "image_size": PIXELS, "step_limit": LIMIT}
    options = make_options(entry.options, chosen, entry.name)
    pool = open_pool(entry, LIBERO_SUITE, options, slots=0, workers=WORKERS, environments=environments)
    try:
        for slot in range(pool.slots):
            for task in TASKS:
                pool.reset(slot, Start(task, 0))
                pool.wait()
        found = _rolled_out(catalog, pool, GROUPS[rendering])
        return {"rendering": rendering, "environments": environments, "gb": shared_bytes(_family()) / GB, **found}
    finally:
        pool.close()


def _rolled_out(catalog: Catalog, pool: Pool, groups: int) -> dict[str, Any]:
    actor = Actor(nano(catalog, pool.contract, **LIBERO_POLICY).eval(), 1.0)  # type: ignore[attr-defined]
    todo = iter(
        [
            Episode(Start(TASKS[group % len(TASKS)], group), member, ("utilisation", group, member))
            for group in range(groups)
            for member in range(SIZE)
        ]
    )
    watch = IterationTimer(pool)
    with watch.measure("rollout"):
        played = [trajectory for _, trajectory in roll_out(pool, actor, lambda: next(todo, None), keep=True)]
    with watch.measure("update"):
        pass  # there is no update
    spent = watch.metrics(actor, sum(len(one.steps) for one in played))
    kept = ("utilisation", "chunks_per_second", "cores", "seconds", "cpu_seconds")
    return {"episodes": len(played), **{name: spent[name] for name in kept}}


def _family() -> list[int]:
    """This process and its children."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [os.getpid(), *map(int, children)]


def shared_bytes(processes: Iterable[int]) -> int:
    """Proportional set size: what several share counts once in all.  Linux."""
    total = 0
    for process in processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def page(found: dict[str, Any]) -> str:
    """Markdown."""
    load = found["conditions"]["load_average_before"][0], found["conditions"]["load_average_after"][0]
    rows = [
        f"| {one['rendering']} | {one['environments']} | {one['utilisation']:.2f} | {one['chunks_per_second']:.1f} | "
        f"{one['gb']:.1f} |"
        for one in found["rollouts"]
    ]
    return "\n".join(
        [
            "# Utilisation of LIBERO rollouts",
            "",
            "CPU seconds of stepping, rendering, reset and policy over cores x wall; waiting and spinning are no work. "
            f"{WORKERS} workers, nano policy, {PIXELS} px, two tasks of {LIBERO_SUITE}, step limit {LIMIT}, "
            f"{GROUPS['fast'] * SIZE} episodes with fast and {GROUPS['exact'] * SIZE} with exact rendering, one run "
            f"each. Load average {load[0]} before and {load[1]} after; {found['conditions']['cores']} cores of "
            f"{found['conditions']['processor']}.",
            "",
            "| rendering | environments a worker | utilisation | chunks a second | memory of all processes, GB |",
            "| --- | ---: | ---: | ---: | ---: |",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    catalog, before, begun = discover(), os.getloadavg(), time.time()
    rollouts = [measured(catalog, *setting) for setting in SETTINGS]
    found = {"conditions": conditions(before), "rollouts": rollouts}
    (given.out / "utilisation.json").write_text(json.dumps(found, indent=1) + "\n")
    (given.out / "utilisation.md").write_text(page(found))
    print(page(found) + f"\n{time.time() - begun:.0f} seconds")


if __name__ == "__main__":
    main()
