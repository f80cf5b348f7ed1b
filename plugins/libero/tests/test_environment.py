"""What the environment promises, on libero_object with fast rendering."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vla_rl_bench.interfaces import Environment
from vla_rl_bench.types import Demonstration, Start
from vla_rl_bench_libero.options import LiberoOptions

pytestmark = [pytest.mark.sim, pytest.mark.slow]


def actions(count: int, seed: int = 0) -> np.ndarray:
    """Random ``[count, 7]``, downwards on the whole, the gripper changing its mind."""
    generator = np.random.default_rng(seed)
    low, high = [-0.6, -0.6, -0.9, -0.2, -0.2, -0.2, -1], [0.6, 0.6, 0.3, 0.2, 0.2, 0.2, 1]
    return generator.uniform(low, high, (count, 7)).astype(np.float32)


def episode(environment: Any, start: Start, moves: np.ndarray) -> list[np.ndarray]:
    """Every observation and the final state, flat."""
    observation, _ = environment.reset(options={"start": start})
    seen = [observation]
    for move in moves:
        seen.append(environment.step(move)[0])
    parts = [part for one in seen for part in (one.images["agentview"], one.proprio)]
    return [*parts, np.array(environment.active.instance.sim.data.qpos)]


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_is_an_environment(fast: Any) -> None:
    assert isinstance(fast, Environment)
    observation, _ = fast.reset(options={"start": Start(3, 8)})
    assert observation.images["agentview"].shape == (64, 64, 3)
    assert observation.images["agentview"].dtype == np.uint8
    assert observation.proprio.shape == (len(fast.contract.proprio),)
    assert np.abs(observation.proprio).max() < 2
    assert [task.step_limit for task in fast.contract.tasks] == [200] * 10
    assert fast.contract.tasks[3].instruction == "pick up the bbq sauce and place it in the basket"


def test_a_start_is_a_whole_description(fast: Any) -> None:
    """The same start and actions give the same bytes: settled afresh, from the kept copy, after other starts."""
    moves = actions(20)
    first = episode(fast, Start(3, 31), moves)
    from_the_copy = episode(fast, Start(3, 31), moves)
    other = episode(fast, Start(3, 32), moves)
    afresh = episode(fast, Start(3, 31), moves)
    assert equal(first, from_the_copy) and equal(first, afresh)
    assert not equal(first, other)


def test_a_chunk_is_its_single_steps(fast: Any) -> None:
    moves = actions(8, seed=1)
    singly = episode(fast, Start(3, 33), moves)
    fast.reset(options={"start": Start(3, 33)})
    result = fast.step_chunk(moves)
    assert (result.steps, result.success, result.done) == (8, False, False)
    assert np.array_equal(result.observation.images["agentview"], singly[-3])
    assert np.array_equal(result.observation.proprio, singly[-2])
    assert np.array_equal(fast.active.instance.sim.data.qpos, singly[-1])


def test_a_task_switch_keeps_the_images_right(fast: Any) -> None:
    """Each task has its own GL context; whoever renders must make its own current."""
    fast.reset(options={"start": Start(3, 30)})
    first = fast.film()
    fast.reset(options={"start": Start(6, 30)})
    other = fast.film()
    fast.reset(options={"start": Start(3, 30)})
    assert np.array_equal(fast.film(), first)
    fast.reset(options={"start": Start(6, 30)})
    assert np.array_equal(fast.film(), other)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("start", [Start(3, 35), Start(3, 49), Start(6, 40)], ids=str)
def test_the_expert_solves_held_out_starts_in_spite_of_the_noise(fast: Any, start: Start) -> None:
    shown = fast.demonstrate(start, seed=0)
    assert isinstance(shown, Demonstration)
    steps = len(shown.actions)
    assert 80 < steps < 200
    assert shown.actions.shape == (steps, 7) and shown.actions.dtype == np.float32
    assert np.abs(shown.actions).max() <= 1
    assert shown.observations.images["agentview"].shape == (steps, 64, 64, 3)
    assert shown.observations.proprio.shape == (steps, 8)


def test_demonstrations_depend_on_the_seed_alone(fast: Any) -> None:
    same = [fast.demonstrate(Start(6, 44), seed=5).actions for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.array_equal(same[0][:50], fast.demonstrate(Start(6, 44), seed=6).actions[:50])


def test_success_ends_a_chunk_within_and_renders_nothing(fast: Any) -> None:
    """Without noise the labels are what was executed, so replaying them succeeds at the very last."""
    from vla_rl_bench_libero.environment import make

    quiet = make("libero_object", LiberoOptions(rendering="fast", step_limit=200, expert_noise=0.0))
    quiet._simulators = fast._simulators  # the same machines under other options
    labels = quiet.demonstrate(Start(3, 36), seed=0).actions
    padded = np.concatenate([labels, np.tile(np.float32(fast.contract.action.noop), (20, 1))])
    fast.reset(options={"start": Start(3, 36)})
    result = fast.step_chunk(labels[:-3])
    assert not result.done
    rendering = fast.seconds["rendering"]
    result = fast.step_chunk(padded[len(labels) - 3 :])
    assert (result.success, result.done, result.steps, result.observation) == (True, True, 3, None)
    assert fast.seconds["rendering"] == rendering
    quiet._simulators = {}


def test_the_step_limit_truncates(fast: Any) -> None:
    from vla_rl_bench_libero.environment import make

    short = make("libero_object", LiberoOptions(rendering="fast", step_limit=11))
    short._simulators = fast._simulators
    short.reset(options={"start": Start(3, 37)})
    assert not short.step_chunk(actions(8)).done
    result = short.step_chunk(actions(8))
    assert (result.steps, result.success, result.done, result.observation) == (3, False, True, None)
    short.reset(options={"start": Start(3, 37)})
    outcomes = [short.step(move)[2:4] for move in actions(11)]
    assert outcomes == [(False, False)] * 10 + [(False, True)]
    short._simulators = {}


def test_fast_rendering_changes_pixels_and_nothing_else(fast: Any, exact: Any) -> None:
    moves = actions(5)
    seen = [episode(environment, Start(3, 38), moves) for environment in (fast, exact)]
    assert np.array_equal(seen[0][-1], seen[1][-1])
    assert np.array_equal(seen[0][-2], seen[1][-2])
    difference = np.abs(seen[0][-3].astype(int) - seen[1][-3]).mean()
    assert 0 < difference < 8  # of 255
    models = [environment.active.instance.sim.model._model for environment in (fast, exact)]
    for name in ("mesh_vert", "mesh_face", "mesh_facenum", "geom_size", "body_pos"):
        assert np.array_equal(getattr(models[0], name), getattr(models[1], name)), name


def test_fast_rendering_leaves_no_patch_behind(fast: Any) -> None:
    from robosuite.utils.binding_utils import MjRenderContext

    fast.simulator(3)
    assert MjRenderContext._set_mujoco_context_and_buffers.__module__ == "robosuite.utils.binding_utils"


def test_seconds_say_where_the_time_went(fast: Any) -> None:
    before = dict(fast.seconds)
    fast.reset(options={"start": Start(3, 39)})
    fast.step_chunk(actions(8))
    assert all(fast.seconds[name] > before[name] for name in ("stepping", "rendering", "reset"))
