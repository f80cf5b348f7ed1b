"""Run folders of a made-up suite on the real tabletop, with as many successes of each behavior as a test says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.files import Record, append_json_lines, write_json
from vla_rl_bench.records.store import RunFolder

EVENTS = {"grasp": ["grasped"], "push": ["pushed"], "mixed": ["grasped", "pushed"], "none": []}
ENVIRONMENT = {"name": "tabletop", "jitter": 0.05, "image_size": 48, "expert_noise": 0.1, "friction": True}
ENVIRONMENT |= {"grasp_radius": 0.03, "starts": {}}
RECIPE = {"environment": ENVIRONMENT, "policy": {"name": "nano"}, "tasks": None, "demonstrations": None, "rl": None}
Counts = Mapping[str, int]
GRASPS = {"grasp": 20}


def run(folder: Path, seed: int, arm: str, successes: Counts, **changes: object) -> RunFolder:
    """A complete run, evaluated on 100 episodes."""
    path = RunFolder(folder / "runs" / f"{arm}-object-s{seed}-0123456789")
    record: Record = {
        "id": path.path.name,
        "arm": arm,
        "arm_title": {"sft": "SFT", "rl": "SFT + RL"}[arm],
        "column": "object",
        "seed": seed,
        "parent": None,
        "status": "complete",
        "environment": {"name": "tabletop"},
        "recipe": RECIPE,
    }
    path.update(record | changes)
    outcomes = [(name, True) for name, count in successes.items() for _ in range(count)]
    outcomes += [("push", False)] * (100 - len(outcomes))
    append_json_lines(path.episodes_path, [_episode(name, success) for name, success in outcomes])
    return path


def _episode(behavior: str, success: bool) -> Record:
    return {
        "evaluation": "main",
        "iteration": None,
        "sampling": "greedy",
        "success": success,
        "events": EVENTS[behavior],
    }


def pair(
    folder: Path,
    seed: int,
    before: Counts,
    rollouts: list[Counts],
    after: Counts,
    demonstrated: Counts | None = None,
    **recorded: object,
) -> RunFolder:
    """An SFT run and the RL run that began with it; 64 rollouts an iteration."""
    recipe = RECIPE | {"demonstrations": {"per_task": 5}}
    made = [[EVENTS[name], count] for name, count in (demonstrated or GRASPS).items()]
    parent = run(folder, seed, "sft", before, **{"demonstration_events": made, "recipe": recipe} | recorded)
    recipe = RECIPE | {"rl": {"iterations": len(rollouts)}}
    child = run(folder, seed, "rl", after, recipe=recipe, parent=parent.path.name)
    iterations = [_iteration(number, successes) for number, successes in enumerate(rollouts, 1)]
    append_json_lines(child.path / "behaviors.jsonl", iterations)
    ids = sorted(path.name for path in (folder / "runs").iterdir())
    suite = as_dict(load_suite(Path(__file__).with_name("pushing.yaml")))
    write_json(folder / "suite.json", suite | {"runs": ids, "limited": False})
    return child


def _iteration(number: int, successes: Counts) -> Record:
    behaviors = {name: [count, count] for name, count in successes.items()}
    behaviors["push"] = [64 - sum(successes.values()) + successes.get("push", 0), successes.get("push", 0)]
    return {"iteration": number, "behaviors": behaviors}
