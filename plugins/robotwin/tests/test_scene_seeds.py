"""Which scene a start means."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench_robotwin.tasks import MESH_FREE, TASKS
from vla_rl_bench_robotwin.v2 import scene_seeds
from vla_rl_bench_robotwin.v2.scene_seeds import ROOM, SHIPPED, SPLITS, bounds, candidates, load
from vla_rl_bench_robotwin.v2.seeds import read, write


def test_the_plugin_brings_scenes_of_every_task_without_a_mesh() -> None:
    lists = load(SHIPPED)
    assert set(lists) == set(MESH_FREE)
    for first, stop in bounds(lists, MESH_FREE).values():
        assert stop - first >= 4


def test_no_scene_is_in_two_splits() -> None:
    for found in load(SHIPPED).values():
        for one, other in combinations(SPLITS, 2):
            assert not set(found[one]) & set(found[other])
            assert len(set(found[one])) == len(found[one])


def test_held_out_scenes_are_drawn_where_simplevla_rl_draws_them() -> None:
    for found in load(SHIPPED).values():
        assert all(100_100_000 <= seed < 100_200_000 for seed in found["held-out"])
        assert all(100_000 <= seed < 200_000 for seed in found["training"])


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unlisted"])
def test_no_two_starts_mean_the_same_scene(listed: bool) -> None:
    lists = load(SHIPPED) if listed else None
    starts = [index for first, stop in bounds(lists, ["handover_block"]).values() for index in range(first, stop)]
    seeds = [seed for index in starts for seed in candidates(lists, "handover_block", index)]
    assert len(set(seeds)) == len(seeds)


def test_a_longer_list_leaves_the_starts_before_it_as_they_were() -> None:
    short = {"lift_pot": dict.fromkeys(SPLITS, (7, 9))}
    long = {"lift_pot": dict.fromkeys(SPLITS, (7, 9, 11))}
    for index in (0, 1, ROOM, 2 * ROOM + 1):
        assert list(candidates(short, "lift_pot", index)) == list(candidates(long, "lift_pot", index))


def test_a_column_has_as_many_starts_as_its_poorest_task() -> None:
    lists = {"lift_pot": dict.fromkeys(SPLITS, (1, 2, 3)), "click_bell": dict.fromkeys(SPLITS, (4, 5))}
    assert bounds(lists, ["lift_pot", "click_bell"])["training"] == (ROOM, ROOM + 2)


def test_a_task_without_scenes_says_how_to_find_some() -> None:
    with pytest.raises(UserError, match=r"v2\.seeds turn_switch --split demonstration"):
        bounds({}, ["turn_switch"])


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"seeds": [1, 2]}))
    with pytest.raises(UserError, match=r"a\.json is not a list of scene seeds"):
        load(tmp_path / "a.json")


def test_what_a_scan_writes_is_read_back(tmp_path: Path) -> None:
    record = {"tasks": {"lift_pot": {split: {"tried": 3, "solved": [5, 6]} for split in SPLITS}}}
    write(tmp_path / "found.json", record)
    assert read(tmp_path / "found.json") == record
    assert load(tmp_path / "found.json")["lift_pot"]["training"] == (5, 6)


def test_every_split_has_room_before_the_next_begins() -> None:
    starts = sorted(scene_seeds.FIRST.values())
    reach = ROOM + scene_seeds.RETRIES * 10_000
    assert all(other - one >= reach for one, other in pairwise(starts))
    assert set(scene_seeds.FIRST) == set(SPLITS)
    assert "handover_block" in TASKS
