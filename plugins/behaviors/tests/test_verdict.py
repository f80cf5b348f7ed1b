"""A verdict says discovered, amplified or faded only if the counts do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from plugins.behaviors.tests.run_folders import Counts, pair
from vla_rl_bench.analysis.statistics.intervals import newcombe
from vla_rl_bench.errors import UserError
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench_behaviors.phases import ArmBehaviors, read_arms
from vla_rl_bench_behaviors.verdict import Verdict, share_change, verdicts

G: Counts = {"grasp": 30}


def mix(grasp: int, push: int) -> Counts:
    return {"grasp": grasp, "push": push}


def arm(folder: Path) -> ArmBehaviors:
    [behaviors] = read_arms(folder)
    return behaviors


def verdict(folder: Path) -> Verdict:
    return {verdict.behavior: verdict for verdict in verdicts(arm(folder))}["push"]


def several(folder: Path, before: list[Counts], rollout: Counts, after: list[Counts], last: Counts = G) -> Path:
    for seed, (first, second) in enumerate(zip(before, after, strict=True)):
        pair(folder, seed, first, [rollout, last], second)
    return folder


def test_the_change_of_a_share_is_paired_by_seed(tmp_path: Path) -> None:
    """0.2 to 0.3, 0.4 to 0.6, 0.3 to 0.6: differences 0.1, 0.2, 0.3, so 0.2 +- t(2) 0.1 / sqrt(3)."""
    before, after = [mix(40, 10), mix(30, 20), mix(7, 3)], [mix(63, 27), mix(20, 30), mix(40, 60)]
    push = share_change(arm(several(tmp_path, before, G, after)), "push")
    assert push is not None
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (push.difference, push.seeds) == (pytest.approx(0.2), 3)
    assert (push.interval.low, push.interval.high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-6)


def test_a_behavior_of_the_first_policy_that_grew_is_amplified_not_discovered(tmp_path: Path) -> None:
    push = verdict(several(tmp_path, [mix(20, 10)] * 3, mix(20, 8), [mix(10, 50), mix(12, 50), mix(10, 60)]))
    assert push.word == "amplified"
    assert "30 of 90 successes (33.3%; SFT, evaluated)" in push.sentence
    assert "None of 60 demonstrations has it" in push.sentence
    assert "RL amplified an existing behavior; it did not discover it." in push.sentence


def test_a_behavior_without_success_before_rl_and_with_many_after_is_discovered(tmp_path: Path) -> None:
    push = verdict(several(tmp_path, [G] * 3, G, [mix(30, 30), mix(20, 40), mix(30, 20)]))
    assert push.word == "discovered"
    # 3 x 30 evaluated and 3 x 30 of the first iteration
    assert "None of 180 successes of the policy before RL has it (at most 2.1%)" in push.sentence


def test_one_success_before_the_first_update_rules_out_a_discovery(tmp_path: Path) -> None:
    push = verdict(several(tmp_path, [G] * 3, mix(20, 1), [mix(30, 30), mix(20, 40), mix(30, 20)]))
    assert push.word == "amplified"


def test_a_single_new_success_is_no_discovery(tmp_path: Path) -> None:
    assert verdict(several(tmp_path, [G] * 3, G, [mix(60, 1), G, G])).word == "too rare to tell"


def test_faded_unchanged_and_in_rollouts_only(tmp_path: Path) -> None:
    less, same = [mix(50, 2), mix(60, 1), mix(60, 3)], [mix(22, 8), mix(18, 12), mix(20, 10)]
    before = [mix(20, 10), mix(20, 12), mix(20, 8)]
    assert verdict(several(tmp_path / "faded", before, G, less)).word == "faded"
    assert verdict(several(tmp_path / "unchanged", before, G, same)).word == "unchanged"
    assert verdict(several(tmp_path / "rollouts", [G] * 3, G, [G] * 3, mix(20, 5))).word == "in rollouts only"
    assert verdicts(arm(several(tmp_path / "nothing", [G] * 3, G, [G] * 3))) == []


def test_one_seed_has_newcombes_interval(tmp_path: Path) -> None:
    pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60))
    push = share_change(arm(tmp_path), "push")
    assert push is not None
    assert push.interval == newcombe((60, 80), (10, 30))
    assert "one seed: these two policies only" in verdict(tmp_path).sentence


def test_a_seed_without_success_is_left_out(tmp_path: Path) -> None:
    push = verdict(several(tmp_path, [{}, mix(20, 10), mix(20, 12)], mix(20, 1), [mix(10, 60)] * 3))
    assert push.change is not None
    assert push.change.seeds == 2
    assert "1 without successes left out" in push.sentence


def test_nothing_is_new_if_the_demonstrations_are_not_recorded(tmp_path: Path) -> None:
    pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60), demonstrated=None)
    assert arm(tmp_path).new == ["push"]
    RunFolder(tmp_path / "runs" / "sft-object-s0-0123456789").update({"demonstration_events": None})
    assert arm(tmp_path).demonstrations is None
    assert verdicts(arm(tmp_path)) == []


def test_a_demonstrated_behavior_is_not_new(tmp_path: Path) -> None:
    pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60), demonstrated={"grasp": 19, "push": 1})
    assert arm(tmp_path).new == []


def test_a_title_that_starts_with_plus_follows_its_parents_title(tmp_path: Path) -> None:
    pair(tmp_path, 0, G, [G], G).update({"arm_title": "  + RL"})
    assert arm(tmp_path).title == "SFT + RL"


def test_only_complete_runs_with_rl_count(tmp_path: Path) -> None:
    child = pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60))
    assert [run["seed"] for _, run in arm(child.path).runs] == [0]
    child.update({"status": "running"})
    with pytest.raises(UserError, match="no complete run with RL"):
        read_arms(tmp_path)
