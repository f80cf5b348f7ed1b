"""Tests of the environment on libero_object with fast rendering."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vla_rl_bench.interfaces import Environment
from vla_rl_bench.types import Demonstration, Start
from vla_rl_bench_libero.options import LiberoOptions

pytestmark = [pytest.mark.sim, pytest.mark.slow]


def actions(count: int, seed: int = 0) -> np.ndarray:
    """Return random actions ``[count, 7]`` with a downward mean."""
    rng = np.random.default_rng(seed)
    low, high = [-0.6, -0.6, -0.9, -0.2, -0.2, -0.2, -1], [0.6, 0.6, 0.3, 0.2, 0.2, 0.2, 1]
    return rng.uniform(low, high, (count, 7)).astype(np.float32)


def episode(environment: Any, start: Start, moves: np.ndarray) -> list[np.ndarray]:
    """Play `moves` and return all observations and the final state as a flat list."""
    observation, _ = environment.reset(options={"start": start})
    observations = [observation]
    for move in moves:
        observations.append(environment.step(move)[0])
    parts = [part for entry in observations for part in (entry.images["agentview"], entry.proprio)]
    return [*parts, np.array(environment.active.instance.sim.data.qpos)]


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_environment_satisfies_interface(fast: Any) -> None:
    assert isinstance(fast, Environment)
    observation, _ = fast.reset(options={"start": Start(3, 8)})
    assert observation.images["agentview"].shape == (64, 64, 3)
    assert observation.images["agentview"].dtype == np.uint8
    assert observation.proprio.shape == (len(fast.contract.proprio),)
    assert np.abs(observation.proprio).max() < 2
    assert [task.step_limit for task in fast.contract.tasks] == [200] * 10
    assert fast.contract.tasks[3].instruction == "pick up the bbq sauce and place it in the basket"


def test_reset_depends_on_start_only(fast: Any) -> None:
    """The same start and actions give the same bytes: settled anew, from the snapshot, after a different start."""
    moves = actions(20)
    first = episode(fast, Start(3, 31), moves)
    from_snapshot = episode(fast, Start(3, 31), moves)
    different_start = episode(fast, Start(3, 32), moves)
    settled_again = episode(fast, Start(3, 31), moves)
    assert equal(first, from_snapshot) and equal(first, settled_again)
    assert not equal(first, different_start)


def test_step_chunk_equals_single_steps(fast: Any) -> None:
    moves = actions(8, seed=1)
    steps = episode(fast, Start(3, 33), moves)
    fast.reset(options={"start": Start(3, 33)})
    chunk = fast.step_chunk(moves)
    assert (chunk.steps, chunk.success, chunk.done) == (8, False, False)
    assert np.array_equal(chunk.observation.images["agentview"], steps[-3])
    assert np.array_equal(chunk.observation.proprio, steps[-2])
    assert np.array_equal(fast.active.instance.sim.data.qpos, steps[-1])


def test_film_is_unchanged_after_task_switch(fast: Any) -> None:
    """Each task has its own GL context, which must be current when it renders."""
    fast.reset(options={"start": Start(3, 30)})
    image_3 = fast.film()
    fast.reset(options={"start": Start(6, 30)})
    image_6 = fast.film()
    fast.reset(options={"start": Start(3, 30)})
    assert np.array_equal(fast.film(), image_3)
    fast.reset(options={"start": Start(6, 30)})
    assert np.array_equal(fast.film(), image_6)
    assert not np.array_equal(image_3, image_6)


@pytest.mark.parametrize("start", [Start(3, 35), Start(3, 49), Start(6, 40)], ids=str)
def test_expert_solves_held_out_starts_with_noise(fast: Any, start: Start) -> None:
    demonstration = fast.demonstrate(start, seed=0)
    assert isinstance(demonstration, Demonstration)
    steps = len(demonstration.actions)
    assert 80 < steps < 200
    assert demonstration.actions.shape == (steps, 7) and demonstration.actions.dtype == np.float32
    assert np.abs(demonstration.actions).max() <= 1
    assert demonstration.observations.images["agentview"].shape == (steps, 64, 64, 3)
    assert demonstration.observations.proprio.shape == (steps, 8)


def test_demonstrate_depends_on_seed_only(fast: Any) -> None:
    same = [fast.demonstrate(Start(6, 44), seed=5).actions for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.array_equal(same[0][:50], fast.demonstrate(Start(6, 44), seed=6).actions[:50])


def test_step_chunk_stops_at_success_without_rendering(fast: Any) -> None:
    """Without noise the labels are the executed actions: a replay succeeds at the last one."""
    from vla_rl_bench_libero.environment import make

    noiseless = make("libero_object", LiberoOptions(rendering="fast", step_limit=200, expert_noise=0.0))
    noiseless._simulators = fast._simulators  # the same simulators with different options
    labels = noiseless.demonstrate(Start(3, 36), seed=0).actions
    padded = np.concatenate([labels, np.tile(np.float32(fast.contract.action.noop), (20, 1))])
    fast.reset(options={"start": Start(3, 36)})
    chunk = fast.step_chunk(labels[:-3])
    assert not chunk.done
    rendering = fast.seconds["rendering"]
    chunk = fast.step_chunk(padded[len(labels) - 3 :])
    assert (chunk.success, chunk.done, chunk.steps, chunk.observation) == (True, True, 3, None)
    assert fast.seconds["rendering"] == rendering
    noiseless._simulators = {}


def test_step_limit_truncates_episode(fast: Any) -> None:
    from vla_rl_bench_libero.environment import make

    short = make("libero_object", LiberoOptions(rendering="fast", step_limit=11))
    short._simulators = fast._simulators
    short.reset(options={"start": Start(3, 37)})
    assert not short.step_chunk(actions(8)).done
    chunk = short.step_chunk(actions(8))
    assert (chunk.steps, chunk.success, chunk.done, chunk.observation) == (3, False, True, None)
    short.reset(options={"start": Start(3, 37)})
    outcomes = [short.step(move)[2:4] for move in actions(11)]
    assert outcomes == [(False, False)] * 10 + [(False, True)]
    short._simulators = {}


def test_fast_rendering_changes_only_pixels(fast: Any, exact: Any) -> None:
    moves = actions(5)
    episodes = [episode(environment, Start(3, 38), moves) for environment in (fast, exact)]
    assert np.array_equal(episodes[0][-1], episodes[1][-1])
    assert np.array_equal(episodes[0][-2], episodes[1][-2])
    difference = np.abs(episodes[0][-3].astype(int) - episodes[1][-3]).mean()
    assert 0 < difference < 8  # of 255
    models = [environment.active.instance.sim.model._model for environment in (fast, exact)]
    for name in ("mesh_vert", "mesh_face", "mesh_facenum", "geom_size", "body_pos"):
        assert np.array_equal(getattr(models[0], name), getattr(models[1], name)), name


def test_fast_rendering_restores_robosuite(fast: Any) -> None:
    from robosuite.utils.binding_utils import MjRenderContext

    fast.simulator(3)
    assert MjRenderContext._set_mujoco_context_and_buffers.__module__ == "robosuite.utils.binding_utils"


def test_seconds_count_stepping_rendering_and_reset(fast: Any) -> None:
    before = dict(fast.seconds)
    fast.reset(options={"start": Start(3, 39)})
    fast.step_chunk(actions(8))
    assert all(fast.seconds[name] > before[name] for name in ("stepping", "rendering", "reset"))
