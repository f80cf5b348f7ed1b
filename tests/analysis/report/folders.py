"""Suite folders with made-up results, as `run` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.analysis.statistics.made_up import episodes, made_up_suite, run_id, run_ids, write_run
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.files import write_json

STARTS = range(10, 15)
ENVIRONMENT = {"tasks": [{"name": "red", "instruction": "put red & blue <away>", "step_limit": 9}, {"name": "second"}]}


def solves(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    """SFT solves some starts, never start 11; after RL all are solved but start 12 of task 1."""
    if arm == "sft":
        return start != 11 and (start + seed + task) % 3 == 0
    return (task, start) != (1, 12)


def metrics(iterations: int = 4) -> list[dict[str, Any]]:
    return [{"iteration": iteration, "rollout_success": 0.2 * iteration} for iteration in range(1, iterations + 1)]


def made_up_folder(folder: Path, suite: Suite | None = None) -> Path:
    suite = suite or made_up_suite()
    for arm in suite.arms:
        for column in suite.columns:
            for seed in suite.seeds:
                write_run(
                    folder,
                    arm.name,
                    column,
                    seed,
                    episodes(arm.name, column, seed, solves, starts=STARTS),
                    metrics() if arm.rl else (),
                    arm_title=arm.title,
                    parent=run_id(arm.from_, column, seed) if arm.from_ else None,
                    environment=ENVIRONMENT,
                    versions={"git": "abc", "torch": "2" if seed else "1"},
                    recipe={
                        "seed": seed,
                        "rl": {"tricks": [{"name": "temperature", "value": 1.6}]} if arm.rl else None,
                    },
                )
    write_json(folder / "suite.json", as_dict(suite) | {"runs": run_ids(suite), "limited": False})
    return folder
