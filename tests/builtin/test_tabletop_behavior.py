"""What is done on the table, in a word; and the tables on which pushing is steady and grasping is hard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.builtin.test_tabletop import place, play
from vla_rl_bench.builtin.tabletop.behavior import behavior
from vla_rl_bench.builtin.tabletop.dynamics import GRASP_RADIUS, MAX_STEP, Physics
from vla_rl_bench.builtin.tabletop.environment import Tabletop, make
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tabletop.suites import SUITES
from vla_rl_bench.catalog import discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.files import read_json
from vla_rl_bench.suite.plan import plan
from vla_rl_bench.types import FloatArray, Start

REPOSITORY = Path(__file__).parents[2]
PUSHING = TabletopOptions(friction=True, grasp_radius=0.03)


def pusher(environment: Tabletop, start: Start) -> FloatArray:
    """Actions ``[T, 3]`` that go round the target with an open hand, close it there, and push straight to the goal."""
    environment.reset_slots([0], [start])
    scenes = environment._scenes
    target, goal = scenes.objects[0, scenes.targets[0]][0], scenes.goal[0]
    way = (goal - target) / np.linalg.norm(goal - target)
    hand, behind, actions = scenes.gripper[0].copy(), target - 0.12 * way, []
    while np.abs(behind - hand).max() > 1e-6:
        motion = np.clip((behind - hand) / MAX_STEP, -1, 1)
        hand = hand + motion * MAX_STEP
        actions.append([*motion, -1])
    actions.append([0, 0, 1])
    actions += [[*way, 1]] * (environment.contract.tasks[start.task].step_limit - len(actions))
    return np.array(actions, np.float32)


@pytest.mark.parametrize("options", [TabletopOptions(), PUSHING], ids=["default", "pushing"])
@pytest.mark.parametrize("suite", SUITES)
def test_every_demonstration_grasps(suite: str, options: TabletopOptions) -> None:
    environment = make(suite, options, 1)
    shown = environment.demonstrate_many([Start(task, index) for task in range(4) for index in range(20)], seed=0)
    found = [one for one in shown if one is not None]
    assert len(found) >= 78
    assert {behavior(one.events or ()) for one in found} == {"grasp"}
    chunks = play(environment, 0, found[0].start, found[0].actions[:, None])
    assert tuple(word for chunk in chunks for word in chunk.events) == found[0].events


def test_an_episode_that_only_pushes_is_a_push() -> None:
    environment = make("object", PUSHING, 1)
    for index in range(10):
        results = play(environment, 0, Start(1, index), pusher(environment, Start(1, index))[:, None])
        assert results[-1].success
        assert behavior([word for one in results for word in one.events]) == "push"


def test_a_word_for_each_way() -> None:
    words = {(): "none", ("grasped-other",): "none", ("pushed",): "push", ("grasped", "grasped-other"): "grasp"}
    words |= {("pushed", "grasped"): "mixed", ("grasped", "pushed"): "mixed"}
    assert {events: behavior(events) for events in words} == words


def test_with_friction_what_is_pushed_off_centre_goes_along_and_without_it_slides_off() -> None:
    moved = {}
    for friction in (True, False):
        environment = make("object", TabletopOptions(friction=friction, grasp_radius=0.03), 1)
        environment.reset_slots([0], [Start(0, 0)])
        place(environment, 0, 0, at=(0.4, 0.44), hand=(0.3, 0.4))  # 0.108 away: not yet touched
        result = environment.step_slots([0], np.tile(np.array([0.5, 0, 1], np.float32), (1, 6, 1)))[0]
        assert result.events == ("pushed",)
        moved[friction] = environment._scenes.objects[0, 0]
        assert environment._scenes.gripper[0] == pytest.approx((0.54, 0.4))
    aside = 0.4 + 0.04 / np.hypot(0.06, 0.04) * 0.09  # where the first touch, one step on, leaves it
    assert moved[True][1] == pytest.approx(aside, abs=1e-4)
    assert moved[False][1] > aside + 0.02
    assert moved[True][0] > moved[False][0]


def test_a_fist_takes_nothing_along_that_it_leaves_behind() -> None:
    environment = make("object", PUSHING, 1)
    environment.reset_slots([0], [Start(0, 0)])
    place(environment, 0, 0, at=(0.5, 0.4), hand=(0.41, 0.4))
    away = np.tile(np.array([-0.5, 0, 1], np.float32), (1, 4, 1))
    assert environment.step_slots([0], away)[0].events == ()
    assert environment._scenes.objects[0, 0] == pytest.approx((0.5, 0.4))


@pytest.mark.parametrize(("radius", "events"), [(0.095, ("grasped",)), (0.03, ("pushed",))])
def test_a_hand_that_closes_too_far_away_does_not_grasp(radius: float, events: tuple[str, ...]) -> None:
    environment = make("object", TabletopOptions(grasp_radius=radius), 1)
    environment.reset_slots([0], [Start(0, 0)])
    place(environment, 0, 0, at=(0.5, 0.4), hand=(0.45, 0.4))
    assert environment.step_slots([0], np.array([[[0, 0, 1]]], np.float32))[0].events == events


def test_new_options_are_said_by_the_protocol_and_leave_old_runs_their_ids() -> None:
    assert Physics(TabletopOptions().grasp_radius, TabletopOptions().friction) == Physics(GRASP_RADIUS, False)
    assert make("object", PUSHING, 1).contract.protocol == "tabletop-1+friction=True+grasp_radius=0.03"
    catalog = discover()
    suite = load_suite(REPOSITORY / "suites" / "quickstart.yaml", [], catalog)
    committed = read_json(REPOSITORY / "results" / "quickstart" / "suite.json")["runs"]
    assert [run.id for run in plan(suite, catalog)] == committed
    with pytest.raises(ValueError, match="grasp_radius"):
        TabletopOptions(grasp_radius=0.02)
