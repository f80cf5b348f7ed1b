from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.statistics.made_up import episodes, run_id, write_run
from vla_rl_bench.errors import UserError
from vla_rl_bench.records.frame import EPISODE_COLUMNS, episodes_frame, metrics_frame, protocols, run_folders


def always(*_: object) -> bool:
    return True


def test_episodes_frame_has_a_row_per_episode(tmp_path: Path) -> None:
    write_run(tmp_path, "sft", "goal", 3, episodes("sft", "goal", 3, lambda *where: where[3] == 1))
    frame = episodes_frame(run_folders(tmp_path))
    assert tuple(frame.columns) == EPISODE_COLUMNS
    assert frame["success"].tolist() == [False, False, True, True]
    assert set(zip(frame["arm"], frame["column"], frame["seed"], strict=True)) == {("sft", "goal", 3)}
    assert frame["iteration"].isna().all()


@pytest.mark.parametrize("fields", [{"status": "running"}, {"status": "failed"}, {"limited": True}])
def test_episodes_frame_leaves_out_unfinished_and_limited_runs(tmp_path: Path, fields: dict[str, object]) -> None:
    write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, always), [{"iteration": 1}], **fields)
    assert not len(episodes_frame(run_folders(tmp_path)))
    assert not len(metrics_frame(run_folders(tmp_path)))


def test_episodes_frame_reads_only_the_named_runs(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, "sft", "goal", seed, episodes("sft", "goal", seed, always))
    assert set(episodes_frame(run_folders(tmp_path), [run_id("sft", "goal", 1)])["seed"]) == {1}


def test_episodes_frame_skips_a_truncated_last_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, always))
    with (folder / "episodes.jsonl").open("a") as file:
        file.write('{"evaluation": "main", "iter')
    assert len(episodes_frame([folder])) == 4


def test_episodes_frame_raises_for_missing_episodes(tmp_path: Path) -> None:
    vouched = {"main/greedy": {"episodes": 5}}
    write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, always), evaluations=vouched)
    with pytest.raises(UserError, match="5 episodes of main/greedy were recorded, 4 are in the file"):
        episodes_frame(run_folders(tmp_path))


def test_episodes_frame_skips_evaluations_that_are_not_recorded(tmp_path: Path) -> None:
    records = episodes("sft", "goal", 0, always) + episodes("sft", "goal", 0, always, sampling="T=1")
    write_run(tmp_path, "sft", "goal", 0, records, evaluations={"main/greedy": {"episodes": 4}})
    assert set(episodes_frame(run_folders(tmp_path))["sampling"]) == {"greedy"}


def test_episodes_frame_raises_for_two_recipes_under_one_name(tmp_path: Path) -> None:
    for other in ("sft-goal-s0-one", "sft-goal-s0-two"):
        write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, always), id=other)
    with pytest.raises(UserError, match="`sft-goal-s0-one` and `sft-goal-s0-two`"):
        episodes_frame(run_folders(tmp_path))
    assert set(episodes_frame(run_folders(tmp_path), ["sft-goal-s0-two"])["run"]) == {"sft-goal-s0-two"}


def test_protocols_raises_for_two_protocols_in_a_column(tmp_path: Path) -> None:
    write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, always, protocol="exact-1"))
    write_run(tmp_path, "sft", "goal", 1, episodes("sft", "goal", 1, always, protocol="fast-1"))
    with pytest.raises(UserError, match=r"goal: .*`exact-1` and `fast-1`"):
        protocols(episodes_frame(run_folders(tmp_path)))


def test_protocols_may_differ_by_column(tmp_path: Path) -> None:
    """LIBERO's step limit differs from suite to suite, and is part of the protocol."""
    for column, protocol in (("goal", "limit-300"), ("long", "limit-520")):
        write_run(tmp_path, "sft", column, 0, episodes("sft", column, 0, always, protocol=protocol))
    assert protocols(episodes_frame(run_folders(tmp_path))) == {"goal": "limit-300", "long": "limit-520"}


def test_metrics_frame_keeps_nested_values(tmp_path: Path) -> None:
    lines = [{"iteration": i, "rollout_success": i / 4, "seconds": {"policy": 1.5}} for i in (1, 2)]
    write_run(tmp_path, "sft-rl", "goal", 0, [], lines)
    frame = metrics_frame(run_folders(tmp_path))
    assert frame["rollout_success"].tolist() == [0.25, 0.5]
    assert frame["seconds"].tolist() == [{"policy": 1.5}] * 2


def test_frames_are_empty_without_runs(tmp_path: Path) -> None:
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    assert not len(episodes_frame(run_folders(tmp_path)))
    assert not len(metrics_frame(run_folders(tmp_path)))
    assert json.loads(episodes_frame([]).to_json()) == {name: {} for name in EPISODE_COLUMNS}
