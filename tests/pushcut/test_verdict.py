"""Discovered, amplified, faded: said when, and only when, the counts say so."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.pushcut.made_up import Counts, pair
from vla_rl_bench.analysis.statistics.intervals import newcombe
from vla_rl_bench.catalog import discover
from vla_rl_bench.errors import UserError
from vla_rl_bench.pushcut.counts import Section, read_sections
from vla_rl_bench.pushcut.verdict import Verdict, change, verdicts
from vla_rl_bench.records.store import RunFolder

G: Counts = {"grasp": 30}


def mix(grasp: int, push: int) -> Counts:
    return {"grasp": grasp, "push": push}


def section(folder: Path) -> Section:
    [found] = read_sections(folder, discover())
    return found


def verdict(folder: Path) -> Verdict:
    return {one.behaviour: one for one in verdicts(section(folder))}["push"]


def several(folder: Path, before: list[Counts], rollout: Counts, after: list[Counts], last: Counts = G) -> Path:
    for seed, (first, second) in enumerate(zip(before, after, strict=True)):
        pair(folder, seed, first, [rollout, last], second)
    return folder


def test_the_change_of_a_share_is_paired_by_seed(tmp_path: Path) -> None:
    """0.2 to 0.3, 0.4 to 0.6, 0.3 to 0.6: differences 0.1, 0.2, 0.3, so 0.2 +- t(2) 0.1 / sqrt(3)."""
    before, after = [mix(40, 10), mix(30, 20), mix(7, 3)], [mix(63, 27), mix(20, 30), mix(40, 60)]
    found = change(section(several(tmp_path, before, G, after)), "push")
    assert found is not None
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (found.difference, found.seeds) == (pytest.approx(0.2), 3)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-6)


def test_what_was_there_before_and_became_more_is_amplified_not_discovered(tmp_path: Path) -> None:
    found = verdict(several(tmp_path, [mix(20, 10)] * 3, mix(20, 8), [mix(10, 50), mix(12, 50), mix(10, 60)]))
    assert found.word == "amplified"
    assert "30 of 90 successes (33.3%; SFT, evaluated)" in found.sentence
    assert "None of 60 demonstrations has it" in found.sentence
    assert "it did not find it" in found.sentence


def test_what_was_nowhere_before_and_is_there_after_is_discovered(tmp_path: Path) -> None:
    found = verdict(several(tmp_path, [G] * 3, G, [mix(30, 30), mix(20, 40), mix(30, 20)]))
    assert found.word == "discovered"
    assert "Nor has any of 180 successes" in found.sentence  # 3 x 30 evaluated and 3 x 30 of the first iteration


def test_one_rollout_before_the_first_update_is_enough_to_have_been_there(tmp_path: Path) -> None:
    found = verdict(several(tmp_path, [G] * 3, mix(20, 1), [mix(30, 30), mix(20, 40), mix(30, 20)]))
    assert found.word == "amplified"


def test_a_single_new_success_is_no_discovery(tmp_path: Path) -> None:
    assert verdict(several(tmp_path, [G] * 3, G, [mix(60, 1), G, G])).word == "too rare to tell"


def test_other_words(tmp_path: Path) -> None:
    less, same = [mix(50, 2), mix(60, 1), mix(60, 3)], [mix(22, 8), mix(18, 12), mix(20, 10)]
    before = [mix(20, 10), mix(20, 12), mix(20, 8)]
    assert verdict(several(tmp_path / "faded", before, G, less)).word == "faded"
    assert verdict(several(tmp_path / "unchanged", before, G, same)).word == "unchanged"
    assert verdict(several(tmp_path / "rollouts", [G] * 3, G, [G] * 3, mix(20, 5))).word == "in rollouts only"
    assert verdicts(section(several(tmp_path / "nothing", [G] * 3, G, [G] * 3))) == []


def test_one_seed_speaks_of_its_own_policies(tmp_path: Path) -> None:
    pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60))
    found = change(section(tmp_path), "push")
    assert found is not None
    assert found.interval == newcombe((60, 80), (10, 30))
    assert "these policies alone" in verdict(tmp_path).sentence


def test_a_seed_without_success_is_left_out_and_said(tmp_path: Path) -> None:
    found = verdict(several(tmp_path, [{}, mix(20, 10), mix(20, 12)], mix(20, 1), [mix(10, 60)] * 3))
    assert found.change is not None
    assert found.change.seeds == 2
    assert "1 without successes to compare left out" in found.sentence


def test_where_demonstrations_were_not_noted_nothing_is_called_new(tmp_path: Path) -> None:
    pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60), demonstrated=None)
    assert section(tmp_path).new == ["push"]
    RunFolder(tmp_path / "runs" / "sft-object-s0-0123456789").update({"demonstrated": None})
    assert section(tmp_path).demonstrations is None
    assert verdicts(section(tmp_path)) == []


def test_what_some_demonstration_shows_is_not_new(tmp_path: Path) -> None:
    pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60), demonstrated={"grasp": 19, "push": 1})
    assert section(tmp_path).new == []


def test_only_complete_runs_with_rl_count(tmp_path: Path) -> None:
    child = pair(tmp_path, 0, mix(20, 10), [mix(20, 8)], mix(20, 60))
    assert [run["seed"] for _, run in section(child.path).runs] == [0]
    child.update({"status": "running"})
    with pytest.raises(UserError, match="no complete run with RL"):
        read_sections(tmp_path, discover())
