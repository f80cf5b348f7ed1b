"""Δ in tables and `compare` are one number with one interval, for each column and for their average."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.statistics.made_up import Outcome, episodes, made_up_suite, write_run
from vla_rl_bench.analysis.statistics.comparison import common_start_counts, compare
from vla_rl_bench.analysis.statistics.intervals import Interval, newcombe
from vla_rl_bench.analysis.tables.build import build_table
from vla_rl_bench.analysis.tables.cells import cell_texts, with_detail_tables
from vla_rl_bench.analysis.tables.model import Delta, Table
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, run_folders

QUICKSTART = Path(__file__).parents[2] / "data" / "quickstart_outcomes.json"


def written(folder: Path, suite: Suite, outcome: Outcome, tasks: int, starts: int, rollouts: int = 1) -> Table:
    """The suite's table of these outcomes, each start played so often."""
    for arm in suite.arms:
        for column in suite.columns:
            for seed in suite.seeds:
                records = episodes(
                    arm.name, column, seed, outcome, tasks=tasks, starts=range(starts), rollouts=rollouts
                )
                write_run(folder, arm.name, column, seed, records)
    return build_table(episodes_frame(run_folders(folder)), suite)


def compared(folder: Path, suite: Suite) -> tuple[list[Interval], Interval]:
    """The intervals of `compare`, for recipes if there are several seeds: of the columns and of their average."""
    frame = episodes_frame(run_folders(folder))
    pairs = {}
    for column in suite.columns:
        episodes = [frame[(frame["arm"] == arm) & (frame["column"] == column)] for arm in ("sft", "sft-rl")]
        pairs[column] = (common_start_counts(episodes[0]), common_start_counts(episodes[1]))
    comparison = compare(pairs)
    return [column.interval for column in comparison.columns.values()], comparison.mean.interval


def agree(table: Table, folder: Path, suite: Suite) -> None:
    delta = next(line for line in table.lines if isinstance(line, Delta))
    columns, average = compared(folder, suite)
    values = [table.value(delta, place) for place in range(len(table.columns))]
    assert [value.interval for value in values if value] == [*columns, average]


def chance(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    """Starts are of different hardness, the recipe helps, and each seed has a level of its own."""
    hardness = np.random.default_rng([len(column), task, start]).uniform()
    luck = np.random.default_rng([len(arm), len(column), seed, task, start, rollout]).uniform()
    level = np.random.default_rng([len(arm), len(column), seed]).normal(0.4 if arm == "sft" else 0.6, 0.1)
    return bool(0.6 * hardness + 0.4 * luck < level)


@pytest.mark.parametrize("seeds", [[0], [0, 1], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("rollouts", [1, 3])
def test_delta_has_the_interval_of_compare(tmp_path: Path, seeds: list[int], rollouts: int) -> None:
    suite = made_up_suite(seeds=seeds)
    agree(written(tmp_path, suite, chance, tasks=3, starts=20, rollouts=rollouts), tmp_path, suite)


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_delta_of_equal_arms_has_an_interval(tmp_path: Path, seeds: list[int]) -> None:
    """No start is discordant; the interval does not jump when one is."""
    suite = made_up_suite(seeds=seeds)
    same = written(tmp_path / "same", suite, lambda *where: where[4] % 2 == 0, tasks=2, starts=50)
    agree(same, tmp_path / "same", suite)
    one = written(
        tmp_path / "one",
        suite,
        lambda arm, column, seed, task, start, rollout: start % 2 == 0 or (arm, task, start) == ("sft-rl", 0, 1),
        tasks=2,
        starts=50,
    )
    widths = []
    for table in (same, one):
        value = table.value(table.lines[-1], 0)
        assert value is not None and value.interval is not None
        widths.append(value.interval.high - value.interval.low)
    assert 0.02 < widths[0] < widths[1] < 1.5 * widths[0]


@pytest.mark.parametrize("seeds", [[0, 1, 2], [1]])
def test_quickstart_has_the_interval_of_compare(tmp_path: Path, seeds: list[int]) -> None:
    real = json.loads(QUICKSTART.read_text())["outcomes"]
    suite = made_up_suite(columns=["object", "spatial", "goal", "long"], seeds=seeds)

    def outcome(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
        return bool(real[f"{arm} {column} {seed}"][task][start] == "1")

    table = written(tmp_path, suite, outcome, tasks=4, starts=50)
    agree(table, tmp_path, suite)
    if len(seeds) > 1:
        counts, over_seeds = with_detail_tables(table)[1:]
        assert cell_texts(counts, counts.lines[-1])[-1] == "+58.6 [+51.1, +66.1]"
        assert cell_texts(over_seeds, over_seeds.lines[-1])[-1] == "+58.6 ± 4.7 [+51.1, +66.1]"


def test_delta_on_other_starts_is_independent(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["object"])
    for arm, starts in (("sft", range(20)), ("sft-rl", range(20, 40))):
        records = episodes(arm, "object", 0, lambda *where: where[4] % 4 > 0, tasks=1, starts=starts)
        write_run(tmp_path, arm, "object", 0, records)
    table = build_table(episodes_frame(run_folders(tmp_path)), suite)
    value = table.value(table.lines[-1], 0)
    assert value is not None and value.interval is not None
    expected = newcombe((15, 20), (15, 20))
    assert (value.interval.low, value.interval.high) == pytest.approx((expected.low, expected.high))


def test_delta_with_other_starts_per_seed_is_independent(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0, 1], columns=["object"])
    for arm in ("sft", "sft-rl"):
        for seed in (0, 1):
            records = episodes(arm, "object", seed, chance, tasks=1, starts=range(20 * seed, 20 * seed + 20))
            write_run(tmp_path, arm, "object", seed, records)
    table = build_table(episodes_frame(run_folders(tmp_path)), suite)
    value = table.value(table.lines[-1], 0)
    assert value is not None and value.interval is not None
    sides = [table.value(row, 0) for row in table.rows]
    (k1, n1), (k2, n2) = (side.counts for side in sides if side and side.counts)
    assert n1 == n2 == 40
    expected = newcombe((k2, n2), (k1, n1))
    assert (value.interval.low, value.interval.high) == pytest.approx((expected.low, expected.high))
