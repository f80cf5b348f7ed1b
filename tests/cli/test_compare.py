"""`compare` and `power` on folders of results, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.statistics.made_up import episodes, made_up_suite, run_id, run_ids, write_run, write_suite
from vla_rl_bench.catalog import discover
from vla_rl_bench.cli.main import main
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.suite.plan import plan

SMOKE = str(Path(__file__).parents[2] / "suites" / "smoke.yaml")
STARTS = tuple(range(100, 150))


def folder(place: Path, name: str, rates: dict[str, float], seeds: tuple[int, ...] = (0, 1, 2), **run: Any) -> Path:
    """A suite's folder whose arms succeed at these rates: 50 starts of 2 tasks, each with a hardness of its own."""
    suite = made_up_suite(seeds=list(seeds), name=name)
    record = suite.model_dump(mode="json", by_alias=True) | {"runs": run_ids(suite), "limited": False}
    (place / name).mkdir(parents=True)
    (place / name / "suite.json").write_text(json.dumps(record))
    for arm in suite.arms:
        for column in suite.columns:
            for seed in seeds:
                outcome = drawn(rates[arm.name])
                records = episodes(arm.name, column, seed, outcome, starts=STARTS, **protocol(run))
                recipe = {"seed": seed, "column": column, "parent": None, "arm": arm.name}
                write_run(place / name, arm.name, column, seed, records, **({"recipe": recipe} | run))
    return place / name


def protocol(run: dict[str, Any]) -> dict[str, Any]:
    return {"protocol": run["protocol"]} if "protocol" in run else {}


def drawn(rate: float) -> Any:
    """Success where the start's hardness and the seed's own coin leave it."""

    def outcome(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
        hardness = np.random.default_rng([task, start]).uniform()
        coin = np.random.default_rng([len(arm), len(column), seed, task, start]).uniform()
        return bool(0.5 * hardness + 0.5 * coin < rate)

    return outcome


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder(tmp_path, "one", {"sft": 0.3, "sft-rl": 0.7})
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    return printed.err.strip()


def compared(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(capsys, "compare", *argv, "--json"))
    return found


# -- what it says


def test_a_better_arm_is_better_by_so_much(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "compare", "one:sft", "one:sft-rl", "--out", str(runs))
    found = compared(capsys, "one:sft", "one:sft-rl", "--out", str(runs))
    assert found["verdict"] == "recipes_differ"
    assert text.splitlines()[-1].startswith("SFT + RL is better by ")
    low, high = found["average"]["over_seeds"]
    assert 0 < low < found["average"]["difference"] < high
    counts = found["columns"]["object"]["a"]
    assert f"{counts['successes']}/300" in text


def test_the_other_way_round_it_says_the_same(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = compared(capsys, "one:sft", "one:sft-rl", "--out", str(runs))
    back = compared(capsys, "one:sft-rl", "one:sft", "--out", str(runs))
    assert back["average"]["difference"] == pytest.approx(-there["average"]["difference"])
    assert back["average"]["mcnemar"]["mid_p"] == there["average"]["mcnemar"]["mid_p"]
    assert back["conclusion"] == there["conclusion"]


def test_one_recipe_with_other_seeds_has_no_difference(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = folder(runs / "again", "one", {"sft": 0.3, "sft-rl": 0.7}, seeds=(3, 4, 5))
    found = compared(capsys, "one:sft", f"{other}:sft", "--out", str(runs))
    assert found["same_recipe"]
    assert found["verdict"] == "no_difference"
    assert found["conclusion"].startswith("No significant difference: ")


def test_two_runs_of_one_recipe_differ_as_policies_at_most(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A seed that happens to learn much less: the policies differ, and the recipe is still one."""
    for seed, rate in ((0, 0.7), (1, 0.3)):
        records = episodes("sft", "object", seed, drawn(rate), starts=STARTS)
        write_run(tmp_path, "sft", "object", seed, records, recipe={"seed": seed, "column": "object", "parent": None})
    sides = [str(tmp_path / "runs" / run_id("sft", "object", seed)) for seed in (0, 1)]
    found = compared(capsys, *sides)
    assert (found["same_recipe"], found["verdict"]) == (True, "policies_differ")
    assert found["conclusion"].startswith("No significant difference: both sides are the same recipe")


def test_with_one_seed_a_side_it_speaks_of_these_policies(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = [str(runs / "one" / "runs" / run_id(arm, "object", 0)) for arm in ("sft", "sft-rl")]
    found = compared(capsys, *sides)
    assert found["verdict"] == "policies_differ"
    assert "This holds for these policies" in found["conclusion"]
    assert "over_seeds" not in found["average"]
    test = found["average"]["mcnemar"]
    gap = found["columns"]["object"]["b"]["successes"] - found["columns"]["object"]["a"]["successes"]
    assert test["b_better"] - test["a_better"] == gap


def test_one_column_may_be_chosen(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, "one:sft", "one:sft-rl", "--out", str(runs), "--column", "goal")
    assert list(found["columns"]) == ["goal"]
    assert found["average"]["difference"] == found["columns"]["goal"]["difference"]


def test_what_is_printed_is_what_it_was(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("compare", "one:sft", "one:sft-rl", "--out", str(runs))
    assert said(capsys, *arguments) == said(capsys, *arguments)


def test_on_fewer_starts_it_compares_those_that_both_played(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = episodes("sft", "object", 7, drawn(0.3), starts=STARTS[:20])
    path = write_run(runs / "other", "sft", "object", 7, records)
    found = compared(capsys, str(path), "one:sft-rl", "--out", str(runs))
    assert found["columns"]["object"]["starts"] == 40
    assert "object: A played 40 starts, B 100; compared on the 40 of both." in found["notes"]


def test_without_a_common_start_the_sides_are_independent(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = episodes("sft", "object", 7, drawn(0.3), starts=range(500, 550))
    path = write_run(runs / "other", "sft", "object", 7, records)
    found = compared(capsys, str(path), "one:sft-rl", "--out", str(runs))
    assert not found["columns"]["object"]["paired"]
    assert "mcnemar" not in found["average"]
    assert found["notes"][0].startswith("object: no start in common")


def test_runs_that_are_missing_are_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "one" / "runs" / run_id("sft", "goal", 2) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "training"}))
    found = compared(capsys, "one:sft", "one:sft-rl", "--out", str(runs))
    assert "one:sft: 1 of its runs missing or not complete." in found["notes"]


def test_a_suite_file_means_its_runs_as_they_are_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = discover()
    suite = load_suite(SMOKE, (), catalog)
    for run in plan(suite, catalog):
        for name, rate in ((run.id, 0.7 if run.arm == "sft-rl" else 0.3), (f"{run.id[:-3]}old", 0.0)):
            records = episodes(run.arm, run.column, run.seed, drawn(rate), starts=STARTS)
            write_run(tmp_path / suite.name, run.arm, run.column, run.seed, records, id=name)
    sides = (f"{SMOKE}:sft", f"{SMOKE}:sft-rl")
    found = compared(capsys, *sides, "--out", str(tmp_path))
    assert all(not run["id"].endswith("old") for run in found["a"]["runs"] + found["b"]["runs"])
    assert found["average"]["difference"] > 0.1
    power = said(capsys, "power", *sides, "--column", suite.columns[0], "--out", str(tmp_path))
    assert "starts: power 80%" in power or "seeds" in power


def test_a_suite_file_without_runs_or_without_that_arm_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path))
    assert f"Write `{SMOKE}:sft` or `{SMOKE}:sft-rl`." in refused(capsys, "compare", SMOKE, f"{SMOKE}:sft", *out)
    assert "no complete run in" in refused(capsys, "compare", f"{SMOKE}:sft", f"{SMOKE}:sft-rl", *out)
    assert "no arm `stf`. Did you mean `sft`?" in refused(capsys, "compare", f"{SMOKE}:stf", f"{SMOKE}:sft", *out)


# -- what it refuses


def test_two_protocols_are_not_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(runs, "two", {"sft": 0.3, "sft-rl": 0.7}, protocol="made-up-2")
    line = refused(capsys, "compare", "one:sft", "two:sft", "--out", str(runs))
    assert line.startswith("object: one:sft was measured under protocol made-up-1, two:sft under made-up-2")


@pytest.mark.parametrize(
    ("sides", "line"),
    [
        (("one", "one:sft"), "Write `one:sft` or `one:sft-rl`."),
        (("one:stf", "one:sft"), "no arm `stf`. Did you mean `sft`?"),
        (("won:sft", "one:sft"), "`won:sft` is no suite file, no folder of results, and no suite under"),
        (("one:sft", "one:sft"), "name two different sides"),
        (("one:sft", "one:sft-rl", "--column", "gaol"), "Did you mean `goal`?"),
        (
            ("one:sft", "one:sft-rl", "--evaluation", "hard"),
            "no evaluation hard on both sides: one:sft has main/greedy",
        ),
        (("one:sft", "one:sft-rl", "--sampling", "T=1"), "no evaluation main/T=1 on both sides"),
    ],
)
def test_a_mistake_is_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], sides: tuple[str, ...], line: str
) -> None:
    assert line in refused(capsys, "compare", *sides, "--out", str(runs))


@pytest.mark.parametrize(
    ("fields", "line"), [({"status": "training"}, "not complete yet"), ({"limited": True}, "a run with --limit")]
)
def test_what_is_no_evidence_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], line: str
) -> None:
    path = write_run(tmp_path, "sft", "object", 0, episodes("sft", "object", 0, drawn(0.5)), **fields)
    assert line in refused(capsys, "compare", str(path), str(path))


def test_a_broken_record_is_one_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "one" / "suite.json").write_text("[1, 2")
    line = refused(capsys, "compare", "one:sft", "one:sft-rl", "--out", str(runs))
    assert "one/suite.json: not a record of a suite that this version ran" in line


def test_seeds_that_played_other_starts_are_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "one" / "runs" / run_id("sft", "object", 2) / "episodes.jsonl"
    records = episodes("sft", "object", 2, drawn(0.3), starts=range(900, 950))
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    line = refused(capsys, "compare", "one:sft", "one:sft-rl", "--out", str(runs), "--column", "object")
    assert "no start that every seed played" in line


def test_other_columns_are_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = [str(runs / "one" / "runs" / run_id("sft", column, 0)) for column in ("object", "goal")]
    assert "no column in common (object and goal)" in refused(capsys, "compare", *sides)


def test_made_up_suites_of_two_starts_are_compared_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Arms that always do the same, where every variance is zero."""
    suite = made_up_suite()
    write_suite(tmp_path / "few", suite, lambda arm, *_: arm == "sft-rl")
    record = suite.model_dump(mode="json", by_alias=True) | {"runs": run_ids(suite), "limited": False}
    (tmp_path / "few" / "suite.json").write_text(json.dumps(record))
    found = compared(capsys, "few:sft", "few:sft-rl", "--out", str(tmp_path))
    assert found["average"]["difference"] == 1.0


# -- power


def test_power_says_how_many_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 seed, 359 starts: power 80% for these two policies." in said(
        capsys, "power", "--from", "0.6", "--to", "0.7"
    )


def test_power_takes_what_two_arms_showed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = ("one:sft", "one:sft-rl", "--out", str(runs), "--column", "object")
    seen = json.loads(said(capsys, "power", *sides, "--json"))
    column = compared(capsys, *sides)["columns"]["object"]
    assert seen["from"] == pytest.approx(column["a"]["successes"] / 300)
    closer = json.loads(said(capsys, "power", *sides, "--from", "0.6", "--to", "0.7", "--json"))
    independent = json.loads(said(capsys, "power", "--from", "0.6", "--to", "0.7", "--json"))
    assert closer["discordance"] < independent["discordance"]
    assert closer["answers"][0]["starts"] < independent["answers"][0]["starts"]


def test_power_of_given_starts_and_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(
        capsys, "power", "--from", "0.6", "--to", "0.7", "--starts", "200", "--seeds", "3", "--seed-deviation", "0.03"
    )
    assert "3 seeds, 200 starts: power 38%." in found


def test_power_says_when_no_number_of_starts_does(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "power", "--from", "0.6", "--to", "0.65", "--seeds", "3", "--seed-deviation", "0.08")
    assert "3 seeds: too few for power 80%, with any number of starts." in found
    assert "At least 23 seeds are needed." in found


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--from", "0.6"), "which difference? Write --from 0.6 --to 0.7"),
        (("--from", "0.6", "--to", "0.6"), "both rates are the same"),
        (("--from", "0.6", "--to", "0.7", "--discordance", "0.05"), "with these rates it is in 0.1..0.7"),
        (("one:sft",), "power takes two sides"),
        (("one:sft", "one:sft-rl"), "choose one with --column: object, goal"),
    ],
)
def test_a_question_that_power_cannot_answer_is_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    assert line in refused(capsys, "power", *arguments, "--out", str(runs))
