"""Names on the command line: each form gives the suite and the runs that it means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.statistics.made_up import episodes, made_up_suite, run_id, run_ids, write_run, write_suite
from vla_rl_bench.analysis.select_runs import select, select_all, select_arm
from vla_rl_bench.catalog import discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.plan import plan

SMOKE = Path(__file__).parents[2] / "suites" / "smoke.yaml"


def success(*where: object) -> bool:
    return True


def write_record(folder: Path, suite: Suite, name: str = "suite.json", *, limited: bool = False) -> Path:
    record = suite.model_dump(mode="json", by_alias=True) | {"runs": run_ids(suite), "limited": limited}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(record))
    return folder / name


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder of one suite that was run."""
    suite = made_up_suite(name="one")
    write_record(tmp_path / "one", suite)
    write_suite(tmp_path / "one", suite, success)
    return tmp_path


@pytest.mark.parametrize("name", ["one", "{out}/one", "{out}/one/suite.json"])
def test_select_finds_a_suite_by_name_folder_and_record(out: Path, name: str) -> None:
    runs = select(name.format(out=out), out)
    assert (runs.folder, runs.outputs, runs.suite.name) == (out / "one", out / "one", "one")
    assert list(runs.complete)[:2] == [run_id(arm, "object", 0) for arm in ("sft", "sft-rl")]
    assert (len(runs.complete), runs.planned, runs.missing, len(runs.episodes)) == (12, 12, {}, 48)


def test_select_takes_one_arm_of_a_suite(out: Path) -> None:
    runs = select("one:sft-rl", out)
    assert [arm.name for arm in runs.suite.arms] == ["sft-rl"]
    assert runs.suite.table.delta == ()
    assert {run["arm"] for run in runs.complete.values()} == {"sft-rl"}


def test_select_finds_arms_by_the_fields_of_the_run_record(out: Path) -> None:
    """Ids are not read: these say another arm."""
    suite = made_up_suite(name="odd", columns=["object"], seeds=[0])
    path = write_record(out / "odd", suite)
    ids = {"sft": "sft-rl-object-s0-1", "sft-rl": "sft-object-s0-2"}
    for arm, odd in ids.items():
        write_run(out / "odd", arm, "object", 0, episodes(arm, "object", 0, success), id=odd)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"runs": list(ids.values())}))
    for arm, odd in ids.items():
        assert [run["id"] for _, run in select_arm(f"odd:{arm}", out).runs] == [odd]


def test_select_takes_one_run_as_a_part_of_its_suite(out: Path) -> None:
    folder = out / "one" / "runs" / run_id("sft-rl", "goal", 1)
    runs = select(str(folder), out)
    suite = runs.suite
    assert ([arm.name for arm in suite.arms], suite.columns, suite.seeds) == (["sft-rl"], ("goal",), (1,))
    assert list(runs.complete) == [folder.name]


def test_select_takes_a_suite_file_with_its_runs_as_they_are_now(out: Path) -> None:
    suite = load_suite(SMOKE, (), discover())
    runs = select(str(SMOKE), out)
    assert (runs.folder, runs.suite) == (out / "smoke", suite)
    assert runs.run_ids == [run.id for run in plan(suite, discover())]
    assert (runs.complete, runs.planned) == ({}, 2)
    assert set(runs.missing.values()) == {"not started"}


def test_select_finds_an_ablation_without_a_suite(out: Path) -> None:
    write_record(out / "ablated", made_up_suite(name="ablated"), "ablation.json")
    assert select("ablated", out).suite.name == "ablated"
    with pytest.raises(UserError, match=r"Did you mean `ablated`"):
        select("abladet", out)


def test_select_finds_an_arm_of_an_ablation_beside_a_suite(out: Path) -> None:
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    arms[1]["name"] = "sft-rl.off"
    suite = made_up_suite(name="one", arms=arms, table={"average": True, "delta": []})
    write_record(out / "one", suite, "ablation.json")
    assert [arm.name for arm in select("one:sft-rl.off", out).suite.arms] == ["sft-rl.off"]


def test_select_all_takes_each_suite_once(out: Path) -> None:
    write_record(out / "another", made_up_suite(name="another"), "ablation.json")
    for names in ([], [str(out)], ["another", "one", str(out / "one")]):
        assert [runs.suite.name for runs in select_all(names, out)] == ["another", "one"]
    assert select_all([], out / "nowhere") == []


def test_select_arm_counts_runs_that_are_missing(out: Path) -> None:
    path = out / "one" / "runs" / run_id("sft", "goal", 2) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "training"}))
    assert (select_arm("one:sft", out).missing, select_arm("one:sft-rl", out).missing) == (1, 0)


def test_select_arm_takes_a_suite_of_one_arm(out: Path) -> None:
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"][:1]
    suite = made_up_suite(name="single", arms=arms, table={"average": True, "delta": []})
    write_record(out / "single", suite)
    write_suite(out / "single", suite, success)
    assert select_arm("single", out).title == "SFT"


def test_select_rejects_a_suite_that_was_limited(out: Path) -> None:
    write_record(out / "one", made_up_suite(name="one"), limited=True)
    with pytest.raises(UserError, match="last run with --limit"):
        select("one", out)
    assert len(select_arm("one:sft", out).runs) == 6  # complete runs of earlier, without --limit


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("won", "`won` is no suite file, no folder of results, and no suite under .*/. Did you mean `one`"),
        ("won:sft", "`won:sft` is no suite file, .* Did you mean `one`"),
        ("one:stf", "`one:stf`: one has no arm `stf`. Did you mean `sft`"),
        (f"{SMOKE}:stf", "smoke.yaml has no arm `stf`. Did you mean `sft`"),
    ],
)
def test_select_says_what_is_near_an_unknown_name(out: Path, name: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        select(name, out)


def test_select_arm_rejects_a_whole_suite(out: Path) -> None:
    with pytest.raises(UserError, match="Write `one:sft` or `one:sft-rl`"):
        select_arm("one", out)


def test_select_takes_a_run_that_no_record_names(out: Path) -> None:
    path = write_run(out / "one", "sft", "goal", 9, [], id="stray")
    assert select(str(path), out).suite.title == "stray, of a recipe that is not recorded here"
    other = write_run(out / "one", "deleted", "goal", 0, [], id="other")
    with pytest.raises(UserError, match="its suite has no arm `deleted` any more"):
        select(str(other), out)
