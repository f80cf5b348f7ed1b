"""What RoboTwin 2.0 declares, and what it is told: nothing of a simulator is imported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.tasks import TABLE_4, TABLE_7, TASKS
from vla_rl_bench_robotwin.v2 import assets, expert
from vla_rl_bench_robotwin.v2.assets import Assets
from vla_rl_bench_robotwin.v2.boxes import VERSION
from vla_rl_bench_robotwin.v2.contract import NAMES, PROPRIO, action, limit, protocol
from vla_rl_bench_robotwin.v2.instructions import objects
from vla_rl_bench_robotwin.v2.planning import remember_plans

BOXES = Assets(None, VERSION)
HANDOVER = [TASKS["handover_block"]]


def test_actions_are_joint_targets_of_two_arms() -> None:
    found = action(BOXES)
    assert found.dimensions == len(PROPRIO) == 14
    assert NAMES[6] == "left_gripper"
    assert NAMES[13] == "right_gripper"
    assert found.absolute
    assert (found.gripper, found.rotation) == ("0 closes, 1 opens", "joint positions")


@pytest.mark.parametrize(
    "changed",
    [
        {"cameras": ("head_camera", "left_camera")},
        {"image_height": 64},
        {"image_width": 64},
        {"step_limit": 100},
        {"instructions": "seen"},
        {"randomisation": True},
        {"shader": "minimal"},
        {"planner": "curobo"},
        {"seeds": "mine.json"},
        {"expert_spacing": 30},
        {"protocol": "paper"},
        {"protocol": "simplevla-rl-code"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_option_changes_the_protocol(changed: dict[str, Any]) -> None:
    options = RoboTwinOptions()
    assert protocol(replace(options, **changed), BOXES, HANDOVER) != protocol(options, BOXES, HANDOVER)


def test_limits_of_the_paper_are_200_400_and_800_and_those_of_its_code_are_its_own() -> None:
    paper, code = RoboTwinOptions(protocol="paper"), RoboTwinOptions(protocol="simplevla-rl-code")
    limits = {name: (limit(TASKS[name], paper), limit(TASKS[name], code)) for name in {*TABLE_4, *TABLE_7}}
    assert {one for one, _ in limits.values()} == {200, 400, 800}
    others = {name: pair for name, pair in limits.items() if pair[0] != pair[1]}
    assert others == {"pick_dual_bottles": (200, 100), "blocks_ranking_rgb": (800, 600)}


def test_tasks_that_the_paper_does_not_have_are_refused_under_its_protocol() -> None:
    with pytest.raises(UserError, match="`paper` says nothing of click_bell"):
        limit(TASKS["click_bell"], RoboTwinOptions(protocol="paper"))
    with pytest.raises(ValueError, match="leave one of the two out"):
        RoboTwinOptions(protocol="paper", step_limit=100)


def test_procedural_and_real_assets_never_share_a_protocol() -> None:
    options = RoboTwinOptions()
    real = Assets(assets.Path("somewhere"), "aloha-agilex")
    assert protocol(options, BOXES, HANDOVER).startswith("robotwin2-procedural-1/limit-400/boxes-1/")
    assert protocol(options, real, HANDOVER).startswith("robotwin2-1/limit-400/aloha-agilex/")


def test_tasks_with_meshes_are_refused_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ROBOTWIN_ASSETS_ROOT", "ROBOTWIN_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    for kind in ("auto", "real", "procedural"):
        with pytest.raises(UserError, match="lift_pot"):
            assets.choose(RoboTwinOptions(assets=kind), [TASKS["lift_pot"]])  # type: ignore[arg-type]
    assert assets.choose(RoboTwinOptions(), HANDOVER) == BOXES


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("{A} notifies the bottle, {a} notifies the arm to manipulate the bottle", {"A": "the bottle"}),
        ("{A} notifies the red block, {B} notifies the green block, {a} notifies", {"A": "the red block"}),
        ("{A} notifies one bottle to be catched,{B} notifies the other bottle", {"A": "one bottle to be catched"}),
        ("{A} notifies the pot. Arm comes as literal here.", {"A": "the pot"}),
        ("", {}),
    ],
)
def test_objects_are_called_what_the_schema_calls_them(schema: str, expected: dict[str, str]) -> None:
    found = objects(schema)
    assert {letter: found[letter] for letter in expected} == expected
    assert "a" not in found


@pytest.mark.parametrize(("length", "spacing"), [(100, 15), (90, 15), (7, 15), (301, 50)])
def test_waypoints_end_where_the_expert_ended(length: int, spacing: int) -> None:
    targets = np.arange(length * 14, dtype=np.float32).reshape(length, 14)
    found = expert.waypoints(targets, spacing)
    assert len(found) == -(-length // spacing)
    assert np.array_equal(found[-1], targets[-1])
    assert np.array_equal(found[:-1], targets[spacing - 1 :: spacing][: len(found) - 1])


class _Pose:
    p, q = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)


class _Arm:
    def __init__(self) -> None:
        self.joints = np.zeros(3)

    def get_qpos(self) -> np.ndarray:
        return self.joints


class _Planner:
    asked = 0

    def plan_pose(self, goal_pose: Any, current_qpos: Any, **settings: Any) -> dict[str, Any]:
        self.asked += 1
        return {"status": "Success", "position": np.full(2, self.asked)}


def test_a_plan_is_remembered_until_a_joint_moves() -> None:
    planner, robot = _Planner(), type("Robot", (), {"left_entity": _Arm(), "right_entity": _Arm()})()
    remember_plans(planner, robot)
    first = planner.plan_pose(_Pose(), np.zeros(3))
    first["status"] = "Fail"  # RoboTwin writes into what it gets
    assert planner.plan_pose(_Pose(), np.zeros(3))["status"] == "Success"
    assert planner.asked == 1
    robot.right_entity.joints = np.ones(3)
    planner.plan_pose(_Pose(), np.zeros(3))
    assert planner.asked == 2
