"""Tests of the experts: one held-out start per skill; every goal of the official suites has a skill."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.types import Start
from vla_rl_bench_libero.options import OFFICIAL_SUITES, PERTURBED_SUITES, STEP_LIMITS, SUITES, LiberoOptions

pytestmark = pytest.mark.sim


def test_skills_cover_every_goal_of_official_suites() -> None:
    from vla_rl_bench_libero import libero_api
    from vla_rl_bench_libero.experts.goals import SKILLS

    for suite in OFFICIAL_SUITES:
        for task in range(len(libero_api.benchmark(suite).tasks)):
            with open(libero_api.bddl_file(suite, task)) as file:
                goal = file.read().partition("(:goal")[2]
            words = {word.lower() for word in re.findall(r"\((\w+)", goal)} - {"and"}
            assert words and words <= set(SKILLS), (suite, task)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "task", "unsupported"),
    [
        ("libero_object", 3, ""),
        ("libero_10", 9, "`in white_yellow_mug_1 microwave_1_heating_region`, `close microwave_1`"),
    ],
)
def test_demonstrate_warns_about_goals_without_skill(
    suite: str, task: int, unsupported: str, caplog: pytest.LogCaptureFixture
) -> None:
    from vla_rl_bench_libero.environment import make
    from vla_rl_bench_libero.experts.expert import missing_skill

    environment: Any = make(suite, LiberoOptions(rendering="fast", step_limit=200))
    assert missing_skill(environment.simulator(task).instance) == unsupported
    demonstration = environment.demonstrate(Start(task, 31), seed=0)
    environment.close()
    assert (demonstration is None) == bool(unsupported)
    assert ("no expert" in caplog.text and f"{suite} task {task}" in caplog.text) == bool(unsupported)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "task"),
    [
        pytest.param("libero_goal", 0, id="a drawer"),
        pytest.param("libero_goal", 7, id="a knob"),
        pytest.param("libero_goal", 5, id="a plate pushed"),
        pytest.param("libero_spatial", 0, id="a bowl by its rim"),
        pytest.param("libero_10", 6, id="two objects in sequence"),
    ],
)
def test_skill_solves_held_out_start(suite: str, task: int) -> None:
    from vla_rl_bench_libero.environment import make

    environment: Any = make(suite, LiberoOptions(rendering="fast"))
    demonstration = environment.demonstrate(Start(task, 31), seed=0)
    environment.close()
    assert demonstration is not None
    assert len(demonstration.actions) <= STEP_LIMITS[suite]
    assert np.abs(demonstration.actions).max() <= 1


def test_perturbed_suites_have_tasks_and_init_states() -> None:
    """Each has tasks with files and 50 init states; the ``_lan`` suites have their own instructions."""
    from vla_rl_bench_libero import libero_api
    from vla_rl_bench_libero.contract import contract

    assert set(PERTURBED_SUITES) < set(SUITES)
    for suite in PERTURBED_SUITES:
        assert len(libero_api.benchmark(suite).tasks) == 10
        assert len(libero_api.init_states(suite, 0)) == 50
    plain, reworded = (contract(suite, LiberoOptions(), "egl") for suite in ("libero_object", "libero_object_lan"))
    assert reworded.tasks[0].instruction == "grab alphabet soup and put it into basket"
    assert [task.step_limit for task in reworded.tasks] == [task.step_limit for task in plain.tasks]
    assert plain.tasks[0].instruction == "pick up the alphabet soup and place it in the basket"


@pytest.mark.slow
def test_expert_solves_a_perturbed_task() -> None:
    from vla_rl_bench_libero.environment import make

    environment: Any = make("libero_object_with_mug", LiberoOptions(rendering="fast"))
    observation, _ = environment.reset(options={"start": Start(0, 30)})
    assert observation.images["agentview"].std() > 10
    assert environment.demonstrate(Start(0, 30), seed=0) is not None
    environment.close()
