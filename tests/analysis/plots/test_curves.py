from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.analysis.statistics.made_up import episodes, made_up_suite, write_run, write_suite
from vla_rl_bench.analysis.plots.curves import Curve, curves, draw_curves
from vla_rl_bench.analysis.plots.style import spread
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, metrics_frame, run_folders

LEVELS = {0: 0, 2: 1, 4: 2}  # after so many iterations the first so many of two tasks are solved


def write_trained(folder: Path, suite: Suite) -> Path:
    """RL lifts seed 0 as in `LEVELS` and leaves the others unlifted; training succeeds at a rate of iteration / 8."""
    for column in suite.columns:
        for seed in suite.seeds:
            records = episodes("sft-rl", column, seed, lambda *_: True)
            for iteration, solved in LEVELS.items():
                records += episodes(
                    "sft-rl", column, seed, lambda *where, n=solved: where[2] == 0 and where[3] < n, iteration=iteration
                )
            metrics = [{"iteration": i, "rollout_success": i / 8} for i in (1, 2, 3, 4)]
            write_run(folder, "sft", column, seed, episodes("sft", column, seed, lambda *_: False))
            write_run(folder, "sft-rl", column, seed, records, metrics)
    return folder


def read(folder: Path, suite: Suite) -> dict[str, list[Curve]]:
    folders = run_folders(folder)
    return curves(episodes_frame(folders), metrics_frame(folders), suite)


def test_a_curve_is_the_mean_over_seeds_with_a_band_from_the_lowest_to_the_highest(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0, 1], columns=["goal"])
    training, held_out = read(write_trained(tmp_path, suite), suite)["goal"]
    assert held_out.updates == (0, 2, 4)
    assert held_out.mean == (0.0, 0.25, 0.5)
    assert held_out.low == (0.0, 0.0, 0.0)
    assert held_out.high == (0.0, 0.5, 1.0)
    assert training.low == training.high == training.mean == (0.125, 0.25, 0.375, 0.5)


def test_an_iterations_rollouts_stand_where_the_policy_was_that_played_them(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    training, _ = read(write_trained(tmp_path, suite), suite)["goal"]
    assert training.updates == (0, 1, 2, 3)


def test_without_evaluations_in_between_the_curve_runs_from_before_to_after(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    (held_out,) = read(write_suite(tmp_path, suite, lambda *where: where[0] == "sft-rl" or where[3] == 0), suite)[
        "goal"
    ]
    assert (held_out.updates, held_out.mean) == ((0, 4), (0.5, 1.0))


def test_a_point_that_one_seed_lacks_is_left_out(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0, 1], columns=["goal"])
    for seed, iterations in ((0, (0, 1, 2)), (1, (0, 2))):
        points = [
            record for i in iterations for record in episodes("sft-rl", "goal", seed, lambda *_: True, iteration=i)
        ]
        write_run(tmp_path, "sft-rl", "goal", seed, points)
    (held_out,) = read(tmp_path, suite)["goal"]
    assert held_out.updates == (0, 2)


def test_the_same_results_give_the_same_picture(tmp_path: Path) -> None:
    suite = made_up_suite()
    path = draw_curves(write_trained(tmp_path, suite), suite)
    assert path is not None
    first = path.read_bytes()
    draw_curves(tmp_path, suite, path=tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert (picture != 255).any(axis=2).mean() > 0.01


@pytest.mark.parametrize("columns", [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"], list("abcdefg")])
def test_any_number_of_columns_is_drawn(tmp_path: Path, columns: list[str]) -> None:
    suite = made_up_suite(seeds=[0], columns=columns)
    assert draw_curves(write_trained(tmp_path, suite), suite) == tmp_path / "curves.png"


def test_nothing_is_drawn_without_rl(tmp_path: Path) -> None:
    suite = made_up_suite(columns=["goal"])
    folder = write_suite(tmp_path, suite, lambda *_: True)
    sft_only = suite.model_copy(update={"arms": suite.arms[:1]})
    assert draw_curves(folder, sft_only) is None
    assert not (folder / "curves.png").exists()


def test_labels_keep_their_order_and_their_distance() -> None:
    heights = [50.0, 51.0, 10.0, 50.0]
    placed = spread(heights, gap=9.0)
    assert placed[2] == 10.0
    top = sorted([placed[0], placed[1], placed[3]])
    assert top[1] - top[0] == pytest.approx(9.0, abs=1e-3)
    assert top[2] - top[1] == pytest.approx(9.0, abs=1e-3)
    assert placed[1] == top[2]
