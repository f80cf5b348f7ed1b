"""The tuned driver is LIBERO's own environment, bit for bit: a grasp contact forgives no rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.types import Start
from vla_rl_bench_libero.options import OFFICIAL_SUITES, LiberoOptions

TASK, HELD_OUT = 3, 41

pytestmark = [pytest.mark.sim, pytest.mark.slow]


@pytest.fixture(scope="module")
def reference() -> Iterator[Any]:
    from vla_rl_bench_libero.environment import make

    environment = make("libero_object", LiberoOptions(driver="reference"))
    yield environment
    environment.close()


def state(environment: Any) -> np.ndarray:
    data = environment.active.instance.sim.data
    return np.concatenate([data.qpos, data.qvel])


def holds(environment: Any) -> bool:
    """Both fingers touch the object to pick."""
    instance = environment.active.instance
    wanted = instance.get_object(instance.parsed_problem["goal_state"][0][1])
    return bool(instance._check_grasp(instance.robots[0].gripper, wanted))


def test_equal_through_a_whole_episode_with_a_grasp(exact: Any, reference: Any) -> None:
    from vla_rl_bench_libero.experts.expert import Expert

    start = {"start": Start(TASK, HELD_OUT)}
    ours, theirs = exact.reset(options=start)[0], reference.reset(options=start)[0]
    expert = Expert(exact.active.instance)
    held = done = False
    while not done:
        np.testing.assert_array_equal(state(exact), state(reference))
        np.testing.assert_array_equal(ours.proprio, theirs.proprio)
        np.testing.assert_array_equal(ours.images["agentview"], theirs.images["agentview"])
        action = expert.act().action.astype(np.float32)
        ours, _, done, truncated, _ = exact.step(action)
        theirs, _, reference_done, _, _ = reference.step(action)
        held |= holds(exact)
        assert done == reference_done and not truncated
    assert held


# The second has a drawer, whose initialiser draws before the fixtures are placed.
@pytest.mark.parametrize(("suite", "task"), [("libero_object", TASK), ("libero_spatial", 4)])
def test_observation_is_liberos_own_rotated_by_180_degrees(suite: str, task: int, exact: Any) -> None:
    """Against OffScreenRenderEnv driven by hand, as SimpleVLA-RL's workers drive it."""
    from libero.libero.envs import OffScreenRenderEnv

    from vla_rl_bench_libero import libero_api
    from vla_rl_bench_libero.environment import make

    by_hand = OffScreenRenderEnv(bddl_file_name=libero_api.bddl_file(suite, task), camera_heights=64, camera_widths=64)
    by_hand.seed(0)
    by_hand.reset()
    seen = by_hand.set_init_state(libero_api.init_states(suite, task)[HELD_OUT])
    for _ in range(10):
        seen, _, _, _ = by_hand.step([0, 0, 0, 0, 0, 0, -1])
    if suite != "libero_object":
        exact = make(suite, LiberoOptions())
    ours, _ = exact.reset(options={"start": Start(task, HELD_OUT)})
    np.testing.assert_array_equal(ours.images["agentview"], seen["agentview_image"][::-1, ::-1])
    base = exact.active.base
    np.testing.assert_allclose(
        ours.proprio[:3] * [0.25, 0.25, 0.2] + [0.55, 0, 0.2] + base, seen["robot0_eef_pos"], atol=1e-6
    )
    np.testing.assert_allclose(ours.proprio[6:] * 0.02 + [0.02, -0.02], seen["robot0_gripper_qpos"], atol=1e-8)
    by_hand.sim._render_context_offscreen.gl_ctx.make_current()
    by_hand.close()
    if suite != "libero_object":
        exact.close()


# A task of each suite in which something is gripped; libero_object has its whole episode above.
@pytest.mark.parametrize(
    ("suite", "task"), [("libero_spatial", 0), ("libero_goal", 7), ("libero_10", 5), ("libero_90", 7)]
)
def test_equal_until_after_a_grasp_on_each_suite(suite: str, task: int) -> None:
    """A bowl's rim, a stove's knob, a book, a drawer's handle."""
    from vla_rl_bench_libero.compare import exactness

    found = exactness(suite, task)
    assert found.touched
    assert (found.state, found.proprio, found.pixels) == (0.0, 0.0, 0)


@pytest.mark.nightly
@pytest.mark.parametrize("suite", OFFICIAL_SUITES)
def test_equal_on_every_task(suite: str) -> None:
    from vla_rl_bench_libero import libero_api
    from vla_rl_bench_libero.compare import exactness

    for task in range(len(libero_api.benchmark(suite).tasks)):
        found = exactness(suite, task)
        assert (found.state, found.proprio, found.pixels) == (0.0, 0.0, 0), found
