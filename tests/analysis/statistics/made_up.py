"""Suite folders with made-up results, written as plain JSON in the store's format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.config.schema import Suite

Outcome = Callable[[str, str, int, int, int, int], bool]
"""(arm, column, seed, task, start, rollout) -> success."""


def made_up_suite(**changes: Any) -> Suite:
    """Two arms, SFT and RL on it, over two columns and three seeds; two starts of two tasks."""
    rl = {
        "iterations": 4,
        "groups": 2,
        "group_size": 2,
        "minibatch": 4,
        "learning_rate": 1e-4,
        "advantage": "grpo",
        "objective": "clipped",
        "aggregate": "trajectory-mean",
    }
    plain = {
        "name": "made-up",
        "title": "Made up",
        "environment": {"name": "tabletop"},
        "columns": ["object", "goal"],
        "policy": {"name": "nano"},
        "seeds": [0, 1, 2],
        "arms": [
            {
                "name": "sft",
                "title": "SFT",
                "demonstrations": {"per_task": 1},
                "sft": {"steps": 1, "batch_size": 1, "learning_rate": 1e-3},
            },
            {"name": "sft-rl", "title": "SFT + RL", "from": "sft", "rl": rl},
        ],
        "evaluation": {"per_task": 2, "sampling": ["greedy"]},
        "table": {"average": True, "delta": [["sft-rl", "sft"]]},
    }
    return Suite.model_validate_json(json.dumps(plain | changes))


def made_up_source(folder: Path, suite: Suite, run_ids: Sequence[str] | None = None) -> SuiteRuns:
    """The suite's complete runs in a folder, and its outputs there."""
    return SuiteRuns(folder, folder, suite, run_ids)


def run_id(arm: str, column: str, seed: int) -> str:
    return f"{arm}-{column}-s{seed}-abc"


def run_ids(suite: Suite) -> list[str]:
    return [run_id(arm.name, column, seed) for arm in suite.arms for column in suite.columns for seed in suite.seeds]


def episodes(
    arm: str,
    column: str,
    seed: int,
    outcome: Outcome,
    *,
    tasks: int = 2,
    starts: Sequence[int] = (10, 11),
    rollouts: int = 1,
    **fields: Any,
) -> list[dict[str, Any]]:
    """A record for each task, start and rollout; `fields` replace the defaults."""
    defaults = {
        "evaluation": "main",
        "iteration": None,
        "sampling": "greedy",
        "column": column,
        "seed": seed,
        "steps": 7,
        "events": [],
        "protocol": "made-up-1",
    }
    return [
        defaults
        | {
            "task": task,
            "start": start,
            "rollout": rollout,
            "success": outcome(arm, column, seed, task, start, rollout),
        }
        | fields
        for task in range(tasks)
        for start in starts
        for rollout in range(rollouts)
    ]


def write_run(
    folder: Path,
    arm: str,
    column: str,
    seed: int,
    records: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> Path:
    """A run's folder; `fields` replace what ``run.json`` says."""
    run = {
        "id": run_id(arm, column, seed),
        "suite": "made-up",
        "arm": arm,
        "arm_title": arm,
        "column": column,
        "seed": seed,
        "status": "complete",
        "limited": False,
        "protocol": "made-up-1",
        "comparable": True,
    } | fields
    path = folder / "runs" / str(run["id"])
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(run))
    for name, lines in (("episodes", records), ("metrics", metrics)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_suite(folder: Path, suite: Suite, outcome: Outcome) -> Path:
    """All the suite's runs, each evaluated greedily -> the suite's folder."""
    for arm in suite.arms:
        for column in suite.columns:
            for seed in suite.seeds:
                write_run(folder, arm.name, column, seed, episodes(arm.name, column, seed, outcome))
    return folder
