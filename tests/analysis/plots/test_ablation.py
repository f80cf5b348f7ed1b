"""An ablation's curves: what each seed cost, means where all seeds are, and the picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.analysis.statistics.made_up import episodes, made_up_suite, write_run
from vla_rl_bench.analysis.plots.ablation import curves, draw_ablation, styles
from vla_rl_bench.analysis.plots.progress import Sample, mean_curve, samples
from vla_rl_bench.analysis.plots.style import COLOURS
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, metrics_frame, run_folders

LEVELS = {0: 0, 2: 1, 4: 2}  # after so many iterations the first so many of two tasks are solved


def ablated_suite(variants: int = 1, **changes: object) -> Suite:
    """As `ablation_suite` makes it: the full recipe and its variants."""
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    more = [
        arms[1] | {"name": f"sft-rl.heat-{n}", "title": f"SFT + RL, temperature.value=1.{n}"} for n in range(variants)
    ]
    delta = [[arm["name"], "sft-rl"] for arm in more]
    return made_up_suite(**({"arms": [*arms, *more], "table": {"delta": delta}} | changes))


def iteration(number: int, trajectories: int, seconds: float) -> dict[str, Any]:
    """As an environment in the run's own process records it."""
    return {
        "iteration": number,
        "rollout_success": 0.5,
        "trajectories": trajectories,
        "cpu_seconds": {"trainer": seconds, "policy": 0.1, "update": 0.2, "stepping": 0.1},
        "seconds": {"stepping": 0.1, "rendering": 0.0, "reset": 0.0, "policy": 0.1, "idle": 0.1, "rollout_wall": 0.3},
    }


def write_ablated(folder: Path, suite: Suite, *, timed: bool = True) -> Path:
    """All arms alike: seed s rolls out 10 (s + 1) trajectories an iteration, which take it 2 (s + 1) seconds."""
    for arm in suite.arms:
        for column in suite.columns:
            for seed in suite.seeds:
                records = episodes(arm.name, column, seed, lambda *_: True)
                if arm.rl is None:
                    write_run(folder, arm.name, column, seed, records)
                    continue
                for updates, solved in LEVELS.items():
                    records += episodes(
                        arm.name, column, seed, lambda *where, n=solved: where[3] < n, iteration=updates
                    )
                metrics = [iteration(n, 10 * (seed + 1), 2.0 * (seed + 1)) for n in (1, 2, 3, 4)]
                if not timed:
                    metrics = [{key: one[key] for key in ("iteration", "rollout_success")} for one in metrics]
                write_run(folder, arm.name, column, seed, records, metrics)
    return folder


def read(folder: Path, suite: Suite) -> list[Sample]:
    folders = run_folders(folder)
    return samples(episodes_frame(folders), metrics_frame(folders), suite)


def of_seeds(*lines: dict[int, float]) -> list[Sample]:
    """Curves over trajectories, one a seed."""
    return [
        Sample("a", "c", seed, index, x, None, rate, 4)
        for seed, line in enumerate(lines)
        for index, (x, rate) in enumerate(line.items())
    ]


def test_a_sample_says_what_its_seed_has_spent(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0, 1], columns=["goal"])
    found = read(write_ablated(tmp_path, suite), suite)
    spent = {(one.seed, one.iteration): (one.trajectories, one.cpu_seconds) for one in found if one.arm == "sft-rl"}
    assert spent == {
        (0, 0): (0, 0.0), (0, 2): (20, 4.0), (0, 4): (40, 8.0),
        (1, 0): (0, 0.0), (1, 2): (40, 8.0), (1, 4): (80, 16.0),
    }  # fmt: skip
    assert {(one.success, one.episodes) for one in found} == {(0.0, 4), (0.5, 4), (1.0, 4)}


def test_at_equal_cost_the_mean_ends_where_the_first_seed_ends(tmp_path: Path) -> None:
    """Both seeds rise in the same iterations, but the second pays double."""
    suite = ablated_suite(seeds=[0, 1], columns=["goal"])
    found = read(write_ablated(tmp_path, suite), suite)
    at_iterations = curves(found, suite, "goal", "iteration")["sft-rl"]
    assert (at_iterations.x, at_iterations.mean) == ((0, 2, 4), (0.0, 0.5, 1.0))
    at_trajectories = curves(found, suite, "goal", "trajectories")["sft-rl"]
    assert list(at_trajectories.x) == [0, 20, 40]
    assert at_trajectories.mean == pytest.approx((0.0, (0.5 + 0.25) / 2, (1.0 + 0.5) / 2))
    at_seconds = curves(found, suite, "goal", "cpu_seconds")["sft-rl"]
    assert list(at_seconds.x) == [0, 4, 8]
    assert at_seconds.mean == at_trajectories.mean


def test_between_its_points_a_seed_goes_straight() -> None:
    mean = mean_curve(of_seeds({0: 0.0, 10: 1.0}, {0: 0.0, 4: 0.8, 20: 0.0}), "trajectories")
    assert mean is not None
    assert list(mean.x) == [0, 4, 10]
    assert mean.mean == pytest.approx((0.0, (0.4 + 0.8) / 2, (1.0 + 0.5) / 2))


def test_a_line_is_the_mean_of_the_same_lines() -> None:
    line = {0: 0.2, 7: 0.4, 9: 0.1}
    mean = mean_curve(of_seeds(line, line, line), "trajectories")
    assert mean is not None
    assert mean.x == tuple(line)
    for rates in (mean.mean, mean.low, mean.high):
        assert rates == pytest.approx(tuple(line.values()))


def test_the_band_is_students_interval_and_of_two_seeds_the_range() -> None:
    three = mean_curve(of_seeds({0: 0.4}, {0: 0.5}, {0: 0.6}), "trajectories")
    two = mean_curve(of_seeds({0: 0.4}, {0: 0.6}), "trajectories")
    assert three is not None
    assert two is not None
    half = 4.302653 * 0.1 / 3**0.5  # Student's quantile at 2 degrees of freedom; the sample deviation is 0.1
    assert (three.low[0], three.high[0]) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    assert (two.low[0], two.high[0]) == (0.4, 0.6)


def test_the_table_beside_the_picture_holds_every_point(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0, 1])
    picture, table = draw_ablation(write_ablated(tmp_path, suite), suite)
    assert (picture.name, table.name) == ("ablation_curves.png", "ablation_curves.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "arm", "column", "seed", "iteration", "trajectories", "cpu_seconds", "success", "episodes"
    ]  # fmt: skip
    assert len(rows) == 2 * 2 * 2 * 3
    assert rows[1] == {
        "arm": "sft-rl", "column": "object", "seed": "0", "iteration": "2", "trajectories": "20",
        "cpu_seconds": "4.0", "success": "0.5", "episodes": "4",
    }  # fmt: skip


def test_runs_without_recorded_seconds_are_drawn_by_what_they_have(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0, 1], columns=["goal"])
    found = read(write_ablated(tmp_path, suite, timed=False), suite)
    assert curves(found, suite, "goal", "cpu_seconds") == curves(found, suite, "goal", "trajectories") == {}
    assert curves(found, suite, "goal", "iteration").keys() == {"sft-rl", "sft-rl.heat-0"}
    assert len(draw_ablation(tmp_path, suite)) == 2


def test_a_variant_goes_by_what_differs(tmp_path: Path) -> None:
    found = styles(ablated_suite(variants=2))
    assert [one.label for one in found.values()] == ["SFT + RL", "temperature.value=1.0", "temperature.value=1.1"]
    assert [one.full for one in found.values()] == [True, False, False]


def test_no_two_arms_look_alike() -> None:
    found = styles(ablated_suite(variants=2 * len(COLOURS)))
    assert len({(one.colour, str(one.dash)) for one in found.values()}) == len(found) == 2 * len(COLOURS) + 1


@pytest.mark.parametrize(("variants", "columns"), [(1, ["goal"]), (3, ["a", "b", "c"]), (12, ["a"])])
def test_the_same_results_give_the_same_picture(tmp_path: Path, variants: int, columns: list[str]) -> None:
    suite = ablated_suite(variants, seeds=[0], columns=columns)
    picture, _ = draw_ablation(write_ablated(tmp_path, suite), suite)
    first = picture.read_bytes()
    assert draw_ablation(tmp_path, suite)[0].read_bytes() == first
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert (pixels != 255).any(axis=2).mean() > 0.01
    assert (pixels[:, -2:] == 255).all()  # no label runs off the side


def test_nothing_is_drawn_without_rl(tmp_path: Path) -> None:
    suite = made_up_suite(columns=["goal"])
    only_sft = suite.model_copy(update={"arms": suite.arms[:1]})
    write_ablated(tmp_path, only_sft)
    assert draw_ablation(tmp_path, only_sft) == []
    assert not (tmp_path / "ablation_curves.png").exists()
