"""Tests against the installed Meta-World, under its own interpreter."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import vla_rl_bench
import vla_rl_bench_metaworld
from vla_rl_bench.rollout import interpreters
from vla_rl_bench_metaworld.plugin import INTERPRETER
from vla_rl_bench_metaworld.tasks import INSTRUCTIONS, SUITES

pytestmark = [pytest.mark.sim, pytest.mark.slow]
PYTHON_PATH = os.pathsep.join(
    str(Path(module.__file__).parents[1]) for module in (vla_rl_bench, vla_rl_bench_metaworld)
)


def run_in_interpreter(code: str) -> Any:
    """Run `code` under Meta-World's interpreter; return its last printed line, parsed as JSON."""
    run = subprocess.run(
        [str(interpreters.find(INTERPRETER)), "-c", code],
        env={**os.environ, "PYTHONPATH": PYTHON_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_suites_equal_those_of_the_package() -> None:
    suites = run_in_interpreter(
        "import json, metaworld.env_dict as d; print(json.dumps({'mt10': list(d.MT10_V3), 'mt25': list(d.MT25_V3), "
        "'mt50': list(d.MT50_V3), 'ml10-train': list(d.ML10_V3['train']), 'ml10-test': list(d.ML10_V3['test'])}))"
    )
    assert {name: tuple(tasks) for name, tasks in suites.items()} == SUITES


def test_reset_depends_on_start_only_for_every_task() -> None:
    """Compare the first states of an episode before and after one of another start, for all 50 tasks."""
    failures = run_in_interpreter(
        """
import json, numpy as np
from vla_rl_bench_metaworld.options import MetaworldOptions
from vla_rl_bench_metaworld.simulator import Simulator
from vla_rl_bench_metaworld.tasks import SUITES
def play(simulator, index, steps):
    states = [simulator.reset(index)]
    rng = np.random.default_rng(index)
    for _ in range(steps):
        states.append(simulator.step(rng.uniform(-1, 1, 4).astype(np.float32))[0])
    return np.stack(states)
differing, alike = [], []
for name in SUITES["mt50"]:
    simulator = Simulator(name, MetaworldOptions())
    first = play(simulator, 7, 12)
    second = play(simulator, 1_000_003, 30)
    if not np.array_equal(first, play(simulator, 7, 12)):
        differing.append(name)
    if np.array_equal(first[0], second[0]):
        alike.append(name)
    simulator.close()
print(json.dumps([differing, alike]))
"""
    )
    assert failures == [[], []]
    assert len(INSTRUCTIONS) == 50


def test_success_equals_the_simulators_and_ends_the_episode() -> None:
    """Replay the expert's episode in Meta-World's environment without the plugin."""
    episode_length, replay_length = run_in_interpreter(
        """
import json, os, pickle
os.environ.setdefault("MUJOCO_GL", "egl")
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.types import Task
from vla_rl_bench.types import Start
from vla_rl_bench_metaworld.environment import make
from vla_rl_bench_metaworld.options import MetaworldOptions
environment = make("mt10", MetaworldOptions(image_size=64, rendering="fast"), 1)
demonstration = environment.demonstrate(Start(9, 1_000_000), 0)
env_class = ALL_V3_ENVIRONMENTS["window-close-v3"]
env = env_class()
env.set_task(Task("window-close-v3", pickle.dumps(dict(env_cls=env_class, rand_vec=None, partially_observable=False))))
env._freeze_rand_vec, env.seeded_rand_vec = False, True
env.seed(1_000_000)
env.reset()
successes = [bool(env.step(action.astype(float))[4]["success"]) for action in demonstration.actions]
environment.close()
print(json.dumps([len(demonstration.actions), successes.index(True) + 1]))
"""
    )
    assert episode_length == replay_length
