"""How the cost of an iteration grows: CPU seconds with the number of groups, resident memory with the iterations.

``python -m tests.benchmarks.growth --out results/benchmarks`` writes ``growth.json`` and ``growth.png``.
The quickstart's recipe on the tabletop, one thread, environment and policy in one process; and, with one, two and four
environments in each of two worker processes, the built-in policy on an environment that burns CPU.  CPU seconds are
those of all processes, and waiting counts for nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.support.constant_cost_env import CHUNK, CONSTANT_COST, ConstantCostOptions
from tests.benchmarks.support.pairs import cpu_seconds
from tests.benchmarks.support.settings import nano, trainer
from tests.benchmarks.workloads.iteration import SIZE, Iteration
from tests.benchmarks.workloads.rollout import WORKERS, products_taking
from vla_rl_bench.catalog import discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.engine import grpo
from vla_rl_bench.engine.training import GrpoState, Training
from vla_rl_bench.rollout.pool import open_pool
from vla_rl_bench.suite.plan import RunJob, plan
from vla_rl_bench.suite.session import RunSession
from vla_rl_bench.suite.stages import make_training

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "suites" / "quickstart.yaml"
KEEP_ALL = ["columns=[object]", "seeds=[0]", "tricks.dynamic-sampling=off"]
GROUPS = (16, 32, 64, 128)
ENVIRONMENTS = (1, 2, 4)  # a worker process
CHUNKS, CHUNK_SECONDS = 8, 0.001  # of the longest episode with worker processes; CPU seconds that a chunk's steps take
FIRST = 10  # iterations in which caches fill and allocators settle
MB = 1e6  # bytes


@dataclass(frozen=True)
class Line:
    """y = slope * x + intercept by least squares; r2: the share of y's variance that it explains."""

    slope: float
    intercept: float
    r2: float


def fit(x: Sequence[float], y: Sequence[float]) -> Line:
    slope, intercept = np.polyfit(x, y, 1)
    left = np.asarray(y) - (slope * np.asarray(x) + intercept)
    spread = np.asarray(y) - np.mean(y)
    r2 = 1 - float(left @ left) / float(spread @ spread) if spread.any() else 1.0
    return Line(float(slope), float(intercept), r2)


def resident_bytes() -> int:
    """Of this process, now.  Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def open_training(folder: Path, overrides: Sequence[str]) -> tuple[RunSession, Training]:
    """The quickstart's RL from its pre-trained weights, in a folder of its own."""
    torch.set_num_threads(1)
    catalog = discover()
    suite = load_suite(SUITE, overrides, catalog)
    run = next(one for one in plan(suite, catalog) if one.parent)
    job = RunJob(suite, run, folder)
    job.run_folder.path.mkdir(parents=True)
    session = RunSession(job, catalog)
    config = job.arm.rl
    assert config is not None
    return session, make_training(session, session.new_policy(), config.model_copy(update={"curve": None}))


def cpu_by_groups(groups: Sequence[int], rounds: int) -> dict[str, Any]:
    """CPU seconds of rollout and update for so many groups; sizes interleaved, the least of the rounds counts.

    The learning rate is next to nothing, so that every round plays the same episodes.
    """
    found: dict[int, list[float]] = {size: [] for size in groups}
    with tempfile.TemporaryDirectory() as folder:
        session, training = open_training(Path(folder), [*KEEP_ALL, "rl.learning_rate=1e-20"])
        for number in range(rounds + 1):
            for size in groups:
                started = time.process_time()
                resized = replace(training, config=training.config.model_copy(update={"groups": size}))
                grpo.iterate(resized, GrpoState(), 1)
                if number:  # the first round warms up
                    found[size].append(time.process_time() - started)
        session.close()
    line = fit(groups, [min(found[size]) for size in groups])
    return {"groups": list(groups), "cpu_seconds": list(found.values()), "line": asdict(line)}


def cpu_by_environments(groups: Sequence[int], environments: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """CPU seconds of all processes for an iteration of so many groups, by environments a worker; interleaved too."""
    options = ConstantCostOptions(products_taking(CHUNK_SECONDS), CHUNKS * CHUNK)
    pools = [
        open_pool(CONSTANT_COST, "constant-cost", options, slots=0, workers=WORKERS, environments=each)
        for each in environments
    ]
    catalog = discover()
    policy = nano(catalog, pools[0].contract, chunk=CHUNK, patch=8)  # the pictures are 16 pixels wide
    found: dict[tuple[int, int], list[float]] = {(each, size): [] for each in environments for size in groups}
    try:
        for number in range(rounds + 1):
            for size in groups:
                for each, pool in zip(environments, pools, strict=True):
                    work = Iteration(pool, pool, policy, trainer(catalog, policy), size, (0,), SIZE)
                    started = cpu_seconds()
                    work.ours()
                    if number:
                        found[each, size].append(cpu_seconds() - started)
    finally:
        for pool in pools:
            pool.close()
    rows = []
    for each in environments:
        spent = [found[each, size] for size in groups]
        line = fit(groups, [min(one) for one in spent])
        rows.append({"environments": each, "groups": list(groups), "cpu_seconds": spent, "line": asdict(line)})
    return rows


def memory_by_iteration(iterations: int, groups: int) -> dict[str, Any]:
    """Resident bytes after each iteration, checkpoints and metrics written as in any run."""
    found: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        session, training = open_training(Path(folder), KEEP_ALL)
        config = training.config.model_copy(update={"groups": groups, "iterations": iterations, "checkpoint_every": 5})
        grpo.train(replace(training, config=config, progress=lambda *_: found.append(resident_bytes())))
        session.close()
    line = fit(range(FIRST, iterations), [value / MB for value in found[FIRST:]])
    return {"groups": groups, "resident_bytes": found, "mb_an_iteration_after_the_tenth": line.slope}


def draw(found: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.6, 3.4), dpi=150, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    memory = found["memory"]
    _lines(left, [("", found["cost"])])
    left.set_title(f"in one process: R² = {found['cost']['line']['r2']:.4f}", fontsize=10, loc="left")
    workers = found["workers"]
    _lines(middle, [(f"{row['environments']} a worker", row) for row in workers])
    least = min(row["line"]["r2"] for row in workers)
    middle.legend(frameon=False, fontsize=9)
    middle.set_title(f"two worker processes: R² at least {least:.4f}", fontsize=10, loc="left")
    resident = np.array(memory["resident_bytes"]) / MB
    right.plot(np.arange(1, len(resident) + 1), resident, color="#c8553d")
    right.set(xlabel="iteration", ylabel="resident memory, MB", ylim=(0, 1.15 * resident.max()))
    slope = memory["mb_an_iteration_after_the_tenth"]
    right.set_title(f"{slope:+.3f} MB an iteration after the tenth", fontsize=10, loc="left")
    figure.savefig(path, metadata={"Software": None})


def _lines(axes: Any, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """CPU seconds against groups: every round, the least, and the line through the least."""
    for (label, row), colour in zip(rows, ("#0b6e99", "#c8553d", "#5b8c3a"), strict=False):
        for size, rounds in zip(row["groups"], row["cpu_seconds"], strict=True):
            axes.plot([size] * len(rounds), rounds, ".", color=colour, alpha=0.3, markersize=4)
        ends = np.array([0, row["groups"][-1]])
        axes.plot(ends, row["line"]["slope"] * ends + row["line"]["intercept"], color=colour, linewidth=1)
        least = [min(rounds) for rounds in row["cpu_seconds"]]
        axes.plot(row["groups"], least, "o", color=colour, markersize=5, label=label)
    axes.set(xlabel="groups of 8", ylabel="CPU seconds an iteration", xlim=(0, None), ylim=(0, None))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=50)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = {
        "cost": cpu_by_groups(GROUPS, given.rounds),
        "workers": cpu_by_environments(GROUPS, ENVIRONMENTS, given.rounds),
        "memory": memory_by_iteration(given.iterations, groups=8),
    }
    (given.out / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(found, given.out / "growth.png")
    _print("in one process", found["cost"]["line"])
    for row in found["workers"]:
        _print(f"two workers of {row['environments']}", row["line"])
    print(f"memory: {found['memory']['mb_an_iteration_after_the_tenth']:+.3f} MB an iteration after the tenth")


def _print(what: str, line: dict[str, float]) -> None:
    print(f"{what}: CPU seconds = {line['slope']:.4f} x groups + {line['intercept']:.3f}, R² = {line['r2']:.4f}")


if __name__ == "__main__":
    main()
