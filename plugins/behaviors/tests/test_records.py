"""Records of a run, those of vla-rl-bench 0.1 included."""

from __future__ import annotations

from pathlib import Path

from vla_rl_bench.builtin.tabletop.behavior import behavior
from vla_rl_bench.files import append_json_lines
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench_behaviors.records import (
    BehaviorCounts,
    classifier,
    demonstrated,
    event_sequence,
    rollout_counts,
)


def test_an_environment_without_behaviors_has_its_events() -> None:
    assert event_sequence(("grasped", "dropped", "grasped")) == "grasped+dropped"
    assert event_sequence(()) == "none"
    assert classifier("tabletop") is behavior


def test_demonstrations_of_every_run_on_the_way_count(tmp_path: Path) -> None:
    made = {"demonstrations": {"per_task": 1}}
    for name, record in {
        "a": {"recipe": made, "demonstrated": {"grasp": 4}, "parent": None},  # as 0.1 wrote it
        "b": {"recipe": made, "demonstration_events": [[["grasped"], 1], [["pushed"], 2]], "parent": "a"},
        "c": {"recipe": {"demonstrations": None}, "parent": "b"},
        "unknown": {"recipe": made, "demonstration_events": None, "parent": None},
        "child": {"recipe": {"demonstrations": None}, "parent": "unknown"},
    }.items():
        RunFolder(tmp_path / name).update(record)
    assert demonstrated(tmp_path / "c", behavior) == {"grasp": 5, "push": 2}
    assert demonstrated(tmp_path / "child", behavior) is None


def test_a_run_that_0_1_began_is_read_whole(tmp_path: Path) -> None:
    append_json_lines(tmp_path / "metrics.jsonl", [{"iteration": 1, "behaviours": {"push": [3, 2]}}, {"iteration": 2}])
    append_json_lines(tmp_path / "behaviors.jsonl", [{"iteration": 2, "behaviors": {"push": [2, 2], "none": [2, 0]}}])
    assert rollout_counts(tmp_path) == {1: BehaviorCounts({"push": 2}, 3), 2: BehaviorCounts({"push": 2}, 4)}
