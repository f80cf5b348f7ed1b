from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.analysis.statistics.made_up import episodes, made_up_suite, run_id, run_ids, write_run, write_suite
from vla_rl_bench.analysis.statistics.intervals import clustered
from vla_rl_bench.analysis.tables.build import Selection, build_table, by_start, select_evaluation, selections
from vla_rl_bench.analysis.tables.cells import MISSING, cell_texts
from vla_rl_bench.analysis.tables.model import Delta, Table
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.records.frame import episodes_frame, run_folders


def lifted(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    """SFT solves task 0 where the seed is even; RL solves everything but task 1 of `goal`."""
    return (task == 0 and seed % 2 == 0) if arm == "sft" else (column, task) != ("goal", 1)


def never(*where: object) -> bool:
    return False


def built(folder: Path, suite: Suite, selection: Selection | None = None) -> Table:
    return build_table(episodes_frame(run_folders(folder)), suite, selection)


def texts_by_title(table: Table) -> dict[str, list[str]]:
    return {line.title: cell_texts(table, line) for line in table.lines}


def test_build_table_pools_seeds_tasks_and_starts(tmp_path: Path) -> None:
    suite = made_up_suite()
    table = built(write_suite(tmp_path, suite, lifted), suite)
    assert [column.title for column in table.columns] == ["object", "goal", "Avg"]
    assert texts_by_title(table) == {
        "SFT": ["33.3", "33.3", "33.3"],  # 4 of 12: two of three seeds, one of two tasks
        "SFT + RL": ["100.0", "50.0", "75.0"],
        "Δ": ["+66.7", "+16.7", "+41.7"],
    }
    value = table.value(table.rows[0], 0)
    assert value is not None
    assert value.counts == (4, 12)
    assert [float(rate) for rate in value.by_seed] == [0.5, 0.0, 0.5]


def test_build_table_intervals_are_clustered_and_paired_by_start(tmp_path: Path) -> None:
    suite = made_up_suite()
    table = built(write_suite(tmp_path, suite, lifted), suite)
    sft = {(task, start): (2 if task == 0 else 0, 3) for task in (0, 1) for start in (10, 11)}
    cell, gap = table.value(table.rows[0], 0), table.value(table.lines[-1], 0)
    assert cell is not None
    assert cell.interval == clustered(sft.values()).interval
    assert gap is not None  # seeds matter: over them and the starts, as tests/tables/test_agrees_with_compare.py has it
    assert gap.interval is not None and gap.interval.low < 0 < gap.exact < gap.interval.high


def test_by_start_pools_seeds_and_rollouts(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0, 1])
    for seed in (0, 1):
        records = episodes("sft", "goal", seed, lambda *where: where[5] == 0, rollouts=3)
        write_run(tmp_path, "sft", "goal", seed, records)
    starts = by_start(episodes_frame(run_folders(tmp_path)))
    assert starts == {(task, start): (2, 6) for task in (0, 1) for start in (10, 11)}
    assert suite.seeds == (0, 1)


def test_build_table_leaves_cells_of_a_missing_run_empty(tmp_path: Path) -> None:
    suite = made_up_suite()
    folder = write_suite(tmp_path, suite, lifted)
    shutil.rmtree(folder / "runs" / run_id("sft", "goal", 1))
    table = built(folder, suite)
    assert texts_by_title(table)["SFT"] == ["33.3", MISSING, MISSING]
    assert texts_by_title(table)["SFT + RL"] == ["100.0", "50.0", "75.0"]
    assert texts_by_title(table)["Δ"] == ["+66.7", MISSING, MISSING]
    assert "1 of the suite's runs is missing" in " ".join(table.notes)


def test_build_table_without_runs_is_empty(tmp_path: Path) -> None:
    table = built(tmp_path, made_up_suite())
    assert {cell for line in texts_by_title(table).values() for cell in line} == {MISSING}
    assert table.notes == ("No complete run with this evaluation yet.",)


def test_build_table_ignores_runs_of_other_recipes(tmp_path: Path) -> None:
    suite = made_up_suite()
    folder = write_suite(tmp_path, suite, lifted)
    before = texts_by_title(built(folder, suite))
    for arm, column, seed in (("other", "goal", 0), ("sft", "other", 0), ("sft", "goal", 9)):
        write_run(folder, arm, column, seed, episodes(arm, column, seed, lambda *_: True, protocol="other"))
    assert texts_by_title(built(folder, suite)) == before


def test_build_table_ignores_curves_and_other_samplings(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0])
    for arm in ("sft", "sft-rl"):
        for column in suite.columns:
            records = episodes(arm, column, 0, lambda *_: True)
            records += episodes(arm, column, 0, lambda *_: False, iteration=5)
            records += episodes(arm, column, 0, lambda *_: False, sampling="T=1")
            records += episodes(arm, column, 0, lambda *_: False, evaluation="exact")
            write_run(tmp_path, arm, column, 0, records)
    assert texts_by_title(built(tmp_path, suite))["SFT"] == ["100.0", "100.0", "100.0"]


def test_build_table_rejects_two_protocols_in_a_column(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, lambda *_: True, protocol="exact-1"))
    write_run(tmp_path, "sft-rl", "goal", 0, episodes("sft-rl", "goal", 0, lambda *_: True, protocol="fast-1"))
    with pytest.raises(UserError, match="`exact-1` and `fast-1`"):
        built(tmp_path, suite)


def test_notes_have_protocol_sampling_starts_and_seeds(tmp_path: Path) -> None:
    suite = made_up_suite()
    notes = " ".join(built(write_suite(tmp_path, suite, lifted), suite).notes)
    for words in ("Protocol: made-up-1.", "greedy", "2 held-out starts a task", "Seeds: 0, 1, 2."):
        assert words in notes


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ({"goal": (10,), "object": (10,)}, "1 held-out starts a task (the suite asks for 2)."),
        ({"goal": (10,), "object": (10, 11)}, "1 to 2 held-out starts a task (the suite asks for 2)."),
        ({"goal": (10, 11), "object": (10, 11)}, "2 held-out starts a task."),
    ],
)
def test_notes_have_the_number_of_evaluated_starts(
    tmp_path: Path, starts: dict[str, tuple[int, ...]], words: str
) -> None:
    """Runs of earlier versions hold fewer starts than the suite asks for if the split had fewer."""
    suite = made_up_suite(seeds=[0])
    for arm in suite.arms:
        for column in suite.columns:
            write_run(tmp_path, arm.name, column, 0, episodes(arm.name, column, 0, never, starts=starts[column]))
    table = build_table(episodes_frame(run_folders(tmp_path)), suite)
    assert f"Success in %, greedy, {words}" in table.notes


def test_notes_say_that_results_are_not_comparable(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    write_run(tmp_path, "sft", "goal", 0, episodes("sft", "goal", 0, lambda *_: True), comparable=False)
    assert "Not comparable with published results" in " ".join(built(tmp_path, suite).notes)


def test_notes_list_columns_with_other_protocols(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0])
    for column, protocol in (("object", "limit-280"), ("goal", "limit-300")):
        write_run(tmp_path, "sft", column, 0, episodes("sft", column, 0, lambda *_: True, protocol=protocol))
    assert "Protocols: limit-280 (object); limit-300 (goal)." in " ".join(built(tmp_path, suite).notes)


def test_build_table_with_several_deltas_has_intervals(tmp_path: Path) -> None:
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    without = arms[1] | {"name": "no-clip", "title": "without clip-range"}
    hotter = arms[1] | {"name": "hotter", "title": "temperature 1.6"}
    delta = [["no-clip", "sft-rl"], ["hotter", "sft-rl"]]
    suite = made_up_suite(arms=[*arms, without, hotter], table={"average": False, "delta": delta})

    def outcome(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
        return arm == "hotter" or (arm == "sft-rl" and start == 10)

    table = built(write_suite(tmp_path, suite, outcome), suite)
    titles = [line.title for line in table.lines]
    assert titles == ["SFT", "SFT + RL", "without clip-range", "Δ to SFT + RL", "temperature 1.6", "Δ to SFT + RL"]
    first, second = (cell_texts(table, line)[0] for line in table.lines if isinstance(line, Delta))
    assert first.startswith("−50.0 [−")
    assert second.startswith("+50.0 [")


def test_selections_begin_with_the_suites_own(tmp_path: Path) -> None:
    evaluation = {"per_task": 2, "sampling": ["greedy", {"temperature": 1.0, "rollouts": 2}], "table": "T=1"}
    extra = {"name": "exact", "per_task": 2, "environment": {"rendering": "exact"}}
    suite = made_up_suite(evaluation=evaluation, extra_evaluations=[extra])
    assert selections(suite) == [Selection("main", "T=1"), Selection("main", "greedy"), Selection("exact", "greedy")]
    assert select_evaluation(suite) == Selection("main", "T=1")
    assert select_evaluation(suite, sampling="greedy") == Selection("main", "greedy")
    assert select_evaluation(suite, evaluation="exact") == Selection("exact", "greedy")


@pytest.mark.parametrize(
    ("evaluation", "sampling", "message"),
    [
        ("exakt", None, "made-up: no evaluation `exakt`. Known: main."),
        (None, "gredy", "evaluation `main` has no sampling `gredy`. Did you mean `greedy`?"),
    ],
)
def test_select_rejects_unknown_names(evaluation: str | None, sampling: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        select_evaluation(made_up_suite(), evaluation, sampling)
    assert message in str(caught.value)


def test_run_ids_choose_between_recipes_of_one_name(tmp_path: Path) -> None:
    suite = made_up_suite(seeds=[0], columns=["goal"])
    folder = write_suite(tmp_path, suite, lifted)
    write_run(folder, "sft", "goal", 0, episodes("sft", "goal", 0, lambda *_: True), id="sft-goal-s0-old")
    table = build_table(episodes_frame(run_folders(folder), run_ids(suite)), suite)
    assert texts_by_title(table)["SFT"] == ["50.0", "50.0"]
