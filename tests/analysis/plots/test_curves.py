"""Curves over training: samples, means over seeds, and the plots made from them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.analysis.statistics.made_up import episodes, made_up_source, made_up_suite, write_run, write_suite
from vla_rl_bench.analysis.plots.curves import (
    CurveSample,
    MeanCurve,
    Panel,
    XAxis,
    ablation_curves,
    draw_ablation,
    draw_curves,
    held_out_samples,
    learning_curves,
    mean_curve,
    panel_svg,
)
from vla_rl_bench.analysis.plots.style import COLORS
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, metrics_frame, run_folders

LEVELS = {0: 0, 2: 1, 4: 2}  # iterations -> solved tasks, of two


def write_trained(folder: Path, suite: Suite) -> Path:
    """RL raises seed 0 as in `LEVELS` and no other seed; training succeeds at a rate of iteration / 8."""
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


def read_panels(folder: Path, suite: Suite) -> list[Panel]:
    folders = run_folders(folder)
    return learning_curves(episodes_frame(folders), metrics_frame(folders), suite)


def ablated_suite(variants: int = 1, **changes: object) -> Suite:
    """A full recipe and its variants, as `ablation_suite` makes them."""
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    more = [
        arms[1] | {"name": f"sft-rl.heat-{n}", "title": f"SFT + RL, temperature.value=1.{n}"} for n in range(variants)
    ]
    delta = [[arm["name"], "sft-rl"] for arm in more]
    return made_up_suite(**({"arms": [*arms, *more], "table": {"delta": delta}} | changes))


def iteration_metrics(number: int, trajectories: int, seconds: float) -> dict[str, Any]:
    """Metrics of an iteration whose environment is in the run's own process."""
    return {
        "iteration": number,
        "rollout_success": 0.5,
        "trajectories": trajectories,
        "cpu_seconds": {"trainer": seconds, "policy": 0.1, "update": 0.2, "stepping": 0.1},
        "seconds": {"stepping": 0.1, "rendering": 0.0, "reset": 0.0, "policy": 0.1, "idle": 0.1, "rollout_wall": 0.3},
    }


def write_ablated(folder: Path, suite: Suite, *, timed: bool = True) -> Path:
    """All arms alike: seed s rolls out 10 (s + 1) trajectories per iteration, in 2 (s + 1) seconds."""
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
                metrics = [iteration_metrics(n, 10 * (seed + 1), 2.0 * (seed + 1)) for n in (1, 2, 3, 4)]
                if not timed:
                    metrics = [{key: line[key] for key in ("iteration", "rollout_success")} for line in metrics]
                write_run(folder, arm.name, column, seed, records, metrics)
    return folder


def read_samples(folder: Path, suite: Suite) -> list[CurveSample]:
    folders = run_folders(folder)
    return held_out_samples(episodes_frame(folders), metrics_frame(folders), suite)


def curve_of(samples: list[CurveSample], arm: str, x_axis: XAxis) -> MeanCurve:
    curve = mean_curve([sample for sample in samples if sample.arm == arm], x_axis)
    assert curve is not None
    return curve


def samples_of_seeds(*lines: dict[int, float]) -> list[CurveSample]:
    """Curves over trajectories, one per seed."""
    return [
        CurveSample("a", "c", seed, index, x, None, rate, 4)
        for seed, line in enumerate(lines)
        for index, (x, rate) in enumerate(line.items())
    ]


def test_learning_curves_average_over_seeds_between_lowest_and_highest(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0, 1], columns=["goal"])
    (panel,) = read_panels(write_trained(tmp_path, suite), suite)
    training, held_out = (line.curve for line in panel.lines)
    assert held_out == MeanCurve((0, 2, 4), (0.0, 0.25, 0.5), (0.0, 0.0, 0.0), (0.0, 0.5, 1.0))
    assert training.low == training.high == training.mean == (0.125, 0.25, 0.375, 0.5)


def test_learning_curves_place_rollouts_at_the_policy_that_played_them(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    (panel,) = read_panels(write_trained(tmp_path, suite), suite)
    assert panel.lines[0].curve.x == (0, 1, 2, 3)


def test_learning_curves_without_evaluations_in_between_join_before_and_after(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    write_suite(tmp_path, suite, lambda *where: where[0] == "sft-rl" or where[3] == 0)
    ((held_out,),) = (panel.lines for panel in read_panels(tmp_path, suite))
    assert (held_out.curve.x, held_out.curve.mean) == ((0, 4), (0.5, 1.0))


def test_held_out_samples_have_the_costs_of_their_seed(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0, 1], columns=["goal"])
    samples = read_samples(write_ablated(tmp_path, suite), suite)
    spent = {
        (sample.seed, sample.iteration): (sample.trajectories, sample.cpu_seconds)
        for sample in samples
        if sample.arm == "sft-rl"
    }
    assert spent == {
        (0, 0): (0, 0.0), (0, 2): (20, 4.0), (0, 4): (40, 8.0),
        (1, 0): (0, 0.0), (1, 2): (40, 8.0), (1, 4): (80, 16.0),
    }  # fmt: skip
    assert {(sample.success, sample.episodes) for sample in samples} == {(0.0, 4), (0.5, 4), (1.0, 4)}


def test_mean_curve_at_equal_cost_ends_with_the_first_seed(tmp_path: Path) -> None:
    """Both seeds rise in the same iterations, but the second pays double."""
    suite = ablated_suite(seeds=[0, 1], columns=["goal"])
    samples = read_samples(write_ablated(tmp_path, suite), suite)
    at_iterations = curve_of(samples, "sft-rl", "iteration")
    assert (at_iterations.x, at_iterations.mean) == ((0, 2, 4), (0.0, 0.5, 1.0))
    at_trajectories = curve_of(samples, "sft-rl", "trajectories")
    assert list(at_trajectories.x) == [0, 20, 40]
    assert at_trajectories.mean == pytest.approx((0.0, (0.5 + 0.25) / 2, (1.0 + 0.5) / 2))
    at_seconds = curve_of(samples, "sft-rl", "cpu_seconds")
    assert list(at_seconds.x) == [0, 4, 8]
    assert at_seconds.mean == at_trajectories.mean


def test_mean_curve_joins_points_by_straight_lines() -> None:
    mean = mean_curve(samples_of_seeds({0: 0.0, 10: 1.0}, {0: 0.0, 4: 0.8, 20: 0.0}), "trajectories")
    assert mean is not None
    assert list(mean.x) == [0, 4, 10]
    assert mean.mean == pytest.approx((0.0, (0.4 + 0.8) / 2, (1.0 + 0.5) / 2))


def test_mean_curve_begins_with_the_last_seed_to_begin() -> None:
    mean = mean_curve(samples_of_seeds({0: 0.0, 10: 1.0}, {5: 0.5, 10: 1.0}), "trajectories")
    assert mean is not None
    assert (mean.x, mean.mean) == ((5, 10), (0.5, 1.0))
    assert mean_curve(samples_of_seeds({0: 0.0, 1: 1.0}, {5: 0.5, 10: 1.0}), "trajectories") is None


def test_mean_curve_of_equal_lines_is_that_line() -> None:
    line = {0: 0.2, 7: 0.4, 9: 0.1}
    mean = mean_curve(samples_of_seeds(line, line, line), "trajectories")
    assert mean is not None
    assert mean.x == tuple(line)
    for rates in (mean.mean, mean.low, mean.high):
        assert rates == pytest.approx(tuple(line.values()))


def test_mean_curve_band_is_students_interval_or_the_range() -> None:
    three = samples_of_seeds({0: 0.4}, {0: 0.5}, {0: 0.6})
    interval, low_to_high = mean_curve(three, "trajectories"), mean_curve(three, "trajectories", "range")
    two = mean_curve(samples_of_seeds({0: 0.4}, {0: 0.6}), "trajectories")
    assert interval is not None and low_to_high is not None and two is not None
    half = 4.302653 * 0.1 / 3**0.5  # Student's quantile at 2 degrees of freedom; the sample deviation is 0.1
    assert (interval.low[0], interval.high[0]) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    assert (low_to_high.low[0], low_to_high.high[0]) == (0.4, 0.6)
    assert (two.low[0], two.high[0]) == (0.4, 0.6)


def test_draw_ablation_writes_every_sample_as_csv(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0, 1])
    image, table = draw_ablation(made_up_source(write_ablated(tmp_path, suite), suite))
    assert (image.name, table.name) == ("ablation_curves.png", "ablation_curves.csv")
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


def test_ablation_curves_leave_out_costs_that_were_not_recorded(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0, 1], columns=["goal"])
    ((panel,),) = ablation_curves(read_samples(write_ablated(tmp_path, suite, timed=False), suite), suite)
    assert panel.x_axis == "iteration"
    assert [line.label for line in panel.lines] == ["SFT + RL", "temperature.value=1.0"]
    assert len(draw_ablation(made_up_source(tmp_path, suite))) == 2


def test_ablation_curves_label_variants_by_their_changes(tmp_path: Path) -> None:
    suite = ablated_suite(variants=2, seeds=[0], columns=["goal"])
    ((panel, *_),) = ablation_curves(read_samples(write_ablated(tmp_path, suite), suite), suite)
    assert [line.label for line in panel.lines] == ["SFT + RL", "temperature.value=1.0", "temperature.value=1.1"]
    assert [line.kind for line in panel.lines] == ["full", "variant", "variant"]


@pytest.mark.parametrize(("variants", "columns"), [(1, ["goal"]), (3, ["a", "b", "c"]), (12, ["a"])])
def test_draw_ablation_is_deterministic_and_fits_its_labels(tmp_path: Path, variants: int, columns: list[str]) -> None:
    suite = ablated_suite(variants, seeds=[0], columns=columns)
    image, _ = draw_ablation(made_up_source(write_ablated(tmp_path, suite), suite))
    first = image.read_bytes()
    assert draw_ablation(made_up_source(tmp_path, suite))[0].read_bytes() == first
    pixels = np.asarray(Image.open(image).convert("RGB"))
    assert (pixels != 255).any(axis=2).mean() > 0.01
    assert (pixels[:, -2:] == 255).all()  # no label runs off the side


def test_draw_curves_is_deterministic(tmp_path: Path) -> None:
    suite = made_up_suite()
    path = draw_curves(made_up_source(write_trained(tmp_path, suite), suite))
    assert path is not None
    first = path.read_bytes()
    draw_curves(made_up_source(tmp_path, suite), path=tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert (pixels != 255).any(axis=2).mean() > 0.01


@pytest.mark.parametrize("title", ["a long title of several words " * 3, "rl.iterations=9, " * 12, "unbroken" * 9])
def test_draw_curves_fits_its_title(tmp_path: Path, title: str) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"], title=title)
    path = draw_curves(made_up_source(write_trained(tmp_path, suite), suite))
    assert path is not None
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert (pixels[:, -2:] == 255).all() and (pixels[:2] == 255).all()


@pytest.mark.parametrize("columns", [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"], list("abcdefg")])
def test_draw_curves_draws_any_number_of_columns(tmp_path: Path, columns: list[str]) -> None:
    suite = made_up_suite(seeds=[0], columns=columns)
    assert draw_curves(made_up_source(write_trained(tmp_path, suite), suite)) == tmp_path / "curves.png"


def test_draw_curves_needs_rl(tmp_path: Path) -> None:
    suite = made_up_suite(columns=["goal"])
    folder = write_suite(tmp_path, suite, lambda *_: True)
    sft_only = suite.model_copy(update={"arms": suite.arms[:1]})
    assert draw_curves(made_up_source(folder, sft_only)) is None
    assert draw_ablation(made_up_source(folder, sft_only)) == []
    assert not list(folder.glob("*.*"))


def test_panel_svg_draws_the_numbers_of_the_panel_in_css_colors(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0, 1], columns=["goal"])
    (panel,) = read_panels(write_trained(tmp_path, suite), suite)
    svg = panel_svg(panel, "first")
    assert svg == panel_svg(panel, "first")
    assert 'aria-label="goal. held-out, greedy: 0% at 0, 50% at 4 RL iterations"' in svg
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"50", "RL iterations", "100%"} <= set(texts)
    assert f"stroke: var(--c-{COLORS[0][1:]}, {COLORS[0]})" in svg
    assert "xmlns" not in svg
    ids, others = (set(re.findall(r'id="([^"]*)"', panel_svg(panel, name))) for name in ("first", "second"))
    assert ids and not ids & others
    used = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)
    assert {first or second for first, second in used} <= ids
