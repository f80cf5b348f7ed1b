"""A policy and an environment whose conventions differ end in an error before anything runs, with the differences."""

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
from vla_rl_bench.cli.explore import check_environment
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ExtraEvaluation, Suite
from vla_rl_bench.conventions import Expectation, differences
from vla_rl_bench.engine.evaluate import Evaluation
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.suite.session import check_starts

CATALOG = Catalog.of(builtin=builtin, choosy=Plugin())
SMALL = Path(__file__).parent / "small.yaml"
TABLETOP = contract("object", TabletopOptions())

# what the policy expects, and the text of both sides
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


@pytest.mark.parametrize(("expected", "policy_text", "environment_text"), DIFFERENT, ids=str)
def test_run_suite_raises_for_a_difference_before_it_writes(
    expected: dict[str, Any], policy_text: str, environment_text: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        run_suite(suite_with(expected), CATALOG, tmp_path / "runs", jobs=1)
    message = str(error.value)
    assert all(text in message for text in ("policy `choosy`", "environment `tabletop`", policy_text, environment_text))
    assert "\n" not in message
    assert not (tmp_path / "runs").exists(), "nothing was written"


@pytest.mark.parametrize(("expected", "policy_text", "environment_text"), DIFFERENT, ids=str)
def test_validate_raises_for_a_difference(expected: dict[str, Any], policy_text: str, environment_text: str) -> None:
    with pytest.raises(UserError, match="does not fit"):
        check_environment(suite_with(expected), CATALOG)


def test_check_environment_is_silent_if_conventions_agree() -> None:
    fits = {"gripper": TABLETOP.action.gripper, "rotation": "none", "orientation": "upright", "dimensions": 3}
    assert check_environment(suite_with({**fits, "proprio": 3}), CATALOG) == ""
    assert list(differences(expects(TABLETOP, ChoosyOptions(proprio=PROPRIO)), TABLETOP)) == []


def test_differences_lists_all_of_them() -> None:
    options = ChoosyOptions("0 closes, 1 opens", "euler", dimensions=7)
    assert len(list(differences(expects(TABLETOP, options), TABLETOP))) == 3


def test_differences_compares_the_names_of_proprioception() -> None:
    spec = replace(TABLETOP, proprio=(PROPRIO[0], "gripper y, metres", PROPRIO[2]))
    [difference] = differences(Expectation("test", proprio=PROPRIO), spec)
    assert "proprioception 1" in difference and PROPRIO[1] in difference and "`gripper y, metres`" in difference


def test_check_environment_opens_no_simulator_for_a_policy_without_expectations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vla_rl_bench.suite.preflight.open_session", None)
    entry = CATALOG.environment("tabletop")
    monkeypatch.setattr(CATALOG, "environment", lambda name: replace(entry, batched=False))
    assert check_environment(load_suite(SMALL, (), CATALOG), CATALOG) == ""


MORE_STARTS = [
    (
        "evaluation.per_task=10001",
        "small: evaluation.per_task: asks for 10001 held-out starts per task, and there are 10000 (1000000-1009999); "
        "write at most that",
    ),
    (
        "rl.curve.per_task=20000",
        "small: arms.sft-rl.rl.curve.per_task: asks for 20000 held-out starts per task, and there are 10000 "
        "(1000000-1009999); write at most that",
    ),
]


@pytest.mark.parametrize(("override", "message"), MORE_STARTS)
def test_run_and_validate_raise_for_more_starts_than_the_environment_has(
    override: str, message: str, tmp_path: Path
) -> None:
    suite = load_suite(SMALL, [override], CATALOG)
    for check in (
        lambda: check_environment(suite, CATALOG),
        lambda: run_suite(suite, CATALOG, tmp_path / "runs", jobs=1),
    ):
        with pytest.raises(UserError) as caught:
            check()
        assert str(caught.value) == message
    assert not (tmp_path / "runs").exists()


def test_check_starts_leaves_extra_evaluations_of_changed_environments_to_themselves() -> None:
    suite = load_suite(SMALL, [], CATALOG)
    extra = {"per_task": 20_000, "environment": {"views": "other"}}
    same, changed = (ExtraEvaluation(name="more", **options) for options in ({"per_task": 20_000}, extra))
    check_starts(suite.model_copy(update={"extra_evaluations": (changed,)}), TABLETOP)
    with pytest.raises(UserError, match=r"extra_evaluations\.more\.per_task: asks for 20000 held-out starts"):
        check_starts(suite.model_copy(update={"extra_evaluations": (same,)}), TABLETOP)
    with pytest.raises(
        UserError, match=r"evaluation `more`: asks for 20000 starts per task, and there are 10 \(20-29\)"
    ):
        Evaluation("more", "greedy", (0,), (20, 30), 20_000, seed=0)
