"""RoboTwin 2.0, in its own interpreter, keeps the contract that every environment is held to; its experts solve."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import vla_rl_bench
import vla_rl_bench_robotwin
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.pool import ProcessPool
from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench.testing.equality import copy_observation, difference, episode_difference
from vla_rl_bench.types import ChunkResult, Demonstration, EnvironmentSpec, FloatArray, Start
from vla_rl_bench_robotwin.options import CHUNK, RoboTwinOptions
from vla_rl_bench_robotwin.plugin import register_environments
from vla_rl_bench_robotwin.tasks import MESH_FREE

from .conftest import python

pytestmark = [pytest.mark.sim, pytest.mark.slow]

ENTRY: EnvironmentEntry = next(one for one in register_environments() if one.name == "robotwin2")
SMALL = RoboTwinOptions(assets="procedural", image_height=24, image_width=32, expert_spacing=50)
PADDING = 5  # actions after the one that solves the task


class TestHandoverBlock(EnvironmentContract):
    """Two scenes side by side in a worker of RoboTwin's own interpreter; few steps, which the expert's are not.

    Few resets, since each builds a scene: a leak of 3 MB a scene is what they still show.
    """

    entry = ENTRY
    suite = "handover_block"
    options = replace(SMALL, step_limit=8)
    python = python()
    steps = 8
    resets = 10
    warm_resets = 3
    changes: ClassVar = {
        "cameras": ("head_camera", "right_camera"),
        "image_height": 32,
        "image_width": 24,
        "step_limit": 16,
        "instructions": "seen",
        "randomisation": True,
        "shader": "minimal",
        "expert_spacing": 15,
        "protocol": "paper",
    }
    harmless = ("embodiment", "assets", "planner", "seeds")  # what they may be here is one thing only

    def contract_with(self, **changed: Any) -> EnvironmentSpec:
        """A protocol by name brings its own step limit, and takes no other beside it."""
        return super().contract_with(**({"step_limit": None} if "protocol" in changed else {}), **changed)

    def test_chunk_equals_its_single_steps(self, environment: BatchedEnvironment) -> None:
        """It is not: RoboTwin times a chunk's path as a whole.  A chunk of one action is a step, and repeats."""
        start = self.starts(environment)[0]
        draw = np.random.default_rng(0)
        chunks = [self.draw(environment, draw, 1) for _ in range(3)]
        first, again = self.follow(environment, start, chunks), self.single_steps(environment, start, chunks)
        assert not episode_difference(first, again)

    def draw(self, environment: BatchedEnvironment, draw: np.random.Generator, count: int) -> FloatArray:
        """Around the home pose: targets all over the bounds take both arms seconds to reach."""
        action = environment.contract.action
        home, reach = np.array(action.noop), np.array(([0.3] * 6 + [0.9]) * 2)
        drawn = home + draw.uniform(-reach, reach, (count, action.dimensions))
        return np.clip(drawn, action.low, action.high).astype(np.float32)

    def test_demonstrations_repeat_and_fit(self, environment: BatchedEnvironment) -> None:
        """Within eight steps no expert is done; see below for one that has the time."""
        assert self.demonstrate(environment, self.starts(environment, "demonstration")) == [None]

    def test_success_is_terminal(self, pool: ProcessPool, shown: Demonstration) -> None:
        """Where the steps suffice: a last chunk that goes on past success ends there, and shows nothing more."""
        whole = len(shown.actions) // CHUNK * CHUNK
        rest = np.concatenate([shown.actions[whole:], np.tile(shown.actions[-1], (PADDING, 1))])
        before, result = _play(pool, shown.start, [*_chunks(shown.actions[:whole]), rest])[-2:]
        assert (before.done, before.success) == (False, False)
        assert (result.done, result.success) == (True, True)
        assert result.steps < len(rest), "what follows success is executed too"
        assert result.observation is None, "an episode that has ended shows nothing"


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    found = ProcessPool(ENTRY, "mesh_free", SMALL, 1, python())
    yield found
    found.close()


@pytest.fixture(scope="module")
def shown(pool: ProcessPool) -> Demonstration:
    """Of the first demonstration scene of handover_block."""
    found = pool.demonstrate([Start(MESH_FREE.index("handover_block"), pool.contract.splits["demonstration"][0])], 0)[0]
    assert found is not None
    return found


def test_an_expert_solves_a_held_out_scene_and_its_replay_does_too(pool: ProcessPool) -> None:
    _solves_and_replays(pool, MESH_FREE.index("handover_block"))


@pytest.mark.nightly  # minutes each, where a CPU draws the pictures
@pytest.mark.parametrize("task", [task for task in MESH_FREE if task != "handover_block"])
def test_so_do_the_experts_of_long_tasks(task: str) -> None:
    """With RoboTwin's own distance between waypoints, by which the listed scenes were found."""
    pool = ProcessPool(ENTRY, task, replace(SMALL, expert_spacing=15), 1, python())
    try:
        _solves_and_replays(pool, 0)
    finally:
        pool.close()


def test_an_expert_repeats_itself(pool: ProcessPool, shown: Demonstration) -> None:
    again = pool.demonstrate([shown.start], 0)[0]
    assert again is not None
    assert np.array_equal(shown.actions, again.actions)
    assert not difference(shown.observations, again.observations)


_WITHOUT_A_PLAN = """
import numpy as np
from vla_rl_bench.types import Start
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.v2.environment import make

environment = make("handover_block", RoboTwinOptions(assets="procedural", image_height=24, image_width=32))
before = environment.reset(options={"start": Start(0, 1000)})[0]
away = np.tile(before.proprio, (25, 1))
away[:, [0, 7]] += np.linspace(0, 0.2, 25)[:, None]
assert environment.step_chunk(away).events == ()
task = environment.scene.task


def refuse(*given, **settings):
    raise RuntimeError("no timing")


task.robot.left_mplib_planner.TOPP = refuse
held = environment.scene.joints()
result = environment.step_chunk(away[::-1])
assert result.events == ("planning-failed",), result.events
moved = np.abs(environment.scene.joints() - held)
assert moved[:7].max() == 0, "the arm without a plan moves"
assert moved[7] > 0.1, "the other arm does not"
picture = task.get_obs()
assert np.array_equal(picture["observation"]["head_camera"]["rgb"], environment.scene.observe().images["head_camera"])
assert np.allclose(picture["joint_action"]["vector"], environment.scene.joints())
try:
    environment.step_chunk(np.full((25, 14), np.nan, np.float32))
except ValueError as error:
    print(error)
environment.close()
"""


def test_an_arm_without_a_plan_is_reported_and_what_is_seen_is_robotwins_own() -> None:
    paths = os.pathsep.join(
        str(Path(module.__file__ or "").parents[1]) for module in (vla_rl_bench, vla_rl_bench_robotwin)
    )
    done = subprocess.run(
        [str(python()), "-c", _WITHOUT_A_PLAN],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "not finite" in done.stdout


def _solves_and_replays(pool: ProcessPool, task: int) -> None:
    """Of the first two held-out scenes, one at least; the replay shows the same, and its last action ends it."""
    first = pool.contract.splits["held-out"][0]
    shown = next(filter(None, (pool.demonstrate([Start(task, first + k)], 0)[0] for k in range(2))), None)
    assert shown is not None, "the expert solved neither scene"
    action = pool.contract.action
    assert shown.actions.shape == (len(shown.observations.proprio), 14)
    assert len(shown.actions) <= pool.contract.tasks[task].step_limit
    assert (shown.actions >= np.array(action.low, np.float32)).all()
    assert (shown.actions <= np.array(action.high, np.float32)).all()
    results = _play(pool, shown.start, _chunks(shown.actions))
    assert [one.done for one in results] == [False] * (len(results) - 1) + [True]
    assert results[-1].success
    assert sum(one.steps for one in results) == len(shown.actions), "another action than the last one solves the task"
    for place, observation in enumerate([one.observation for one in results[:-1]], 1):
        assert observation is not None
        assert not difference(observation, shown.observations[place * CHUNK]), f"chunk {place} shows another picture"


def _chunks(actions: FloatArray) -> list[FloatArray]:
    return [actions[first : first + CHUNK] for first in range(0, len(actions), CHUNK)]


def _play(pool: ProcessPool, start: Start, chunks: Sequence[FloatArray]) -> list[ChunkResult]:
    """What each chunk did, until the episode ends."""
    pool.reset(0, start)
    pool.wait()
    results: list[ChunkResult] = []
    for chunk in chunks:
        pool.step(0, chunk)
        [ready] = pool.wait()
        assert ready.result is not None
        seen = ready.result.observation
        results.append(replace(ready.result, observation=None if seen is None else copy_observation(seen)))
        if results[-1].done:
            break
    return results
