"""A policy and an environment whose conventions differ are refused before anything runs, with what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.suite.choosy import ChoosyOptions, Plugin, expects
from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.builtin.tabletop.environment import PROPRIO, contract
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli.explore import misfits
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ExtraEvaluation, Suite
from vla_rl_bench.conventions import Expectation, differences
from vla_rl_bench.engine.evaluate import Evaluation
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.suite.workshop import check_starts

CATALOG = Catalog.of(builtin=builtin, choosy=Plugin())
SMALL = Path(__file__).parent / "small.yaml"
TABLETOP = contract("object", TabletopOptions())

# what the policy expects, and the words of both sides
DIFFERENT = [
    ({"gripper": "0 closes, 1 opens"}, "`0 closes, 1 opens`", "`absolute: above 0 closed, else open`"),
    ({"rotation": "euler delta"}, "`euler delta`", "`none`"),
    ({"orientation": "rotated-180"}, "rotated-180", "upright"),
    ({"camera": "wrist"}, "`wrist`", "has top"),
    ({"dimensions": 7}, "7 dimensions", "has 3"),
    ({"proprio": 8}, "8 numbers", "gives 3"),
]


def suite_with(policy: dict[str, Any]) -> Suite:
    suite = load_suite(SMALL, (), CATALOG)
    named = suite.policy.model_validate({"name": "choosy", **policy})
    return suite.model_copy(update={"policy": named})


@pytest.mark.parametrize(("wanted", "ours", "theirs"), DIFFERENT, ids=lambda one: str(one))
def test_a_difference_is_refused_before_anything_runs(
    wanted: dict[str, Any], ours: str, theirs: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        run_suite(suite_with(wanted), CATALOG, tmp_path / "runs", jobs=1)
    said = str(refused.value)
    assert all(word in said for word in ("policy `choosy`", "environment `tabletop`", ours, theirs))
    assert "\n" not in said
    assert not (tmp_path / "runs").exists(), "nothing was written"


@pytest.mark.parametrize(("wanted", "ours", "theirs"), DIFFERENT, ids=lambda one: str(one))
def test_validate_refuses_it_too(wanted: dict[str, Any], ours: str, theirs: str) -> None:
    with pytest.raises(UserError, match="does not fit"):
        misfits(suite_with(wanted), CATALOG)


def test_what_agrees_is_not_mentioned() -> None:
    fits = {"gripper": TABLETOP.action.gripper, "rotation": "none", "orientation": "upright", "dimensions": 3}
    assert misfits(suite_with({**fits, "proprio": 3}), CATALOG) == ""
    assert list(differences(expects(TABLETOP, ChoosyOptions(proprio=PROPRIO)), TABLETOP)) == []


def test_all_that_differs_is_named_at_once() -> None:
    found = list(differences(expects(TABLETOP, ChoosyOptions("0 closes, 1 opens", "euler", dimensions=7)), TABLETOP))
    assert len(found) == 3


def test_numbers_of_proprioception_are_compared_word_by_word() -> None:
    other = replace(TABLETOP, proprio=(PROPRIO[0], "gripper y, metres", PROPRIO[2]))
    [said] = differences(Expectation("mine", proprio=PROPRIO), other)
    assert "proprioception 1" in said and PROPRIO[1] in said and "`gripper y, metres`" in said


def test_policies_that_expect_nothing_start_no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vla_rl_bench.suite.fitting.declared", None)
    entry = CATALOG.environment("tabletop")
    monkeypatch.setattr(CATALOG, "environment", lambda name: replace(entry, batched=False))
    assert misfits(load_suite(SMALL, (), CATALOG), CATALOG) == ""


MORE_STARTS = [
    (
        "evaluation.per_task=10001",
        "small: evaluation.per_task: asks for 10001 held-out starts a task, and there are 10000 (1000000-1009999); "
        "write at most that",
    ),
    (
        "rl.curve.per_task=20000",
        "small: arms.sft-rl.rl.curve.per_task: asks for 20000 held-out starts a task, and there are 10000 "
        "(1000000-1009999); write at most that",
    ),
]


@pytest.mark.parametrize(("override", "message"), MORE_STARTS)
def test_more_starts_than_the_environment_has_are_an_error(override: str, message: str, tmp_path: Path) -> None:
    suite = load_suite(SMALL, [override], CATALOG)
    for check in (lambda: misfits(suite, CATALOG), lambda: run_suite(suite, CATALOG, tmp_path / "runs", jobs=1)):
        with pytest.raises(UserError) as caught:
            check()
        assert str(caught.value) == message
    assert not (tmp_path / "runs").exists()


def test_extra_evaluations_of_other_environments_are_checked_when_they_begin() -> None:
    suite = load_suite(SMALL, [], CATALOG)
    extra = {"per_task": 20_000, "environment": {"views": "other"}}
    here, elsewhere = (ExtraEvaluation(name="more", **given) for given in ({"per_task": 20_000}, extra))
    check_starts(suite.model_copy(update={"extra_evaluations": (elsewhere,)}), TABLETOP)
    with pytest.raises(UserError, match=r"extra_evaluations\.more\.per_task: asks for 20000 held-out starts"):
        check_starts(suite.model_copy(update={"extra_evaluations": (here,)}), TABLETOP)
    with pytest.raises(
        UserError, match=r"evaluation `more`: asks for 20000 starts per task, and there are 10 \(20-29\)"
    ):
        Evaluation("more", "greedy", (0,), (20, 30), 20_000, seed=0)
