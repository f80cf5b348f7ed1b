"""What is Meta-World's own, looked at in its interpreter."""

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
OURS = os.pathsep.join(str(Path(module.__file__).parents[1]) for module in (vla_rl_bench, vla_rl_bench_metaworld))


def there(code: str) -> Any:
    """Run `code` under Meta-World's interpreter; what it prints last, as JSON."""
    run = subprocess.run(
        [str(interpreters.find(INTERPRETER)), "-c", code],
        env={**os.environ, "PYTHONPATH": OURS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_our_tables_are_those_of_the_package() -> None:
    found = there(
        "import json, metaworld.env_dict as d; print(json.dumps({'mt10': list(d.MT10_V3), 'mt25': list(d.MT25_V3), "
        "'mt50': list(d.MT50_V3), 'ml10-train': list(d.ML10_V3['train']), 'ml10-test': list(d.ML10_V3['test'])}))"
    )
    assert {name: tuple(tasks) for name, tasks in found.items()} == SUITES


def test_every_task_begins_as_its_start_says_whatever_was_played_before() -> None:
    """All 50: the whole state after reset, after an episode of another start, and its first steps."""
    found = there(
        """
import json, numpy as np
from vla_rl_bench_metaworld.options import MetaworldOptions
from vla_rl_bench_metaworld.simulator import Simulator
from vla_rl_bench_metaworld.tasks import SUITES
def play(one, index, steps):
    states = [one.reset(index)]
    random = np.random.default_rng(index)
    for _ in range(steps):
        states.append(one.step(random.uniform(-1, 1, 4).astype(np.float32))[0])
    return np.stack(states)
differing, alike = [], []
for name in SUITES["mt50"]:
    one = Simulator(name, MetaworldOptions())
    first = play(one, 7, 12)
    other = play(one, 1_000_003, 30)
    if not np.array_equal(first, play(one, 7, 12)):
        differing.append(name)
    if np.array_equal(first[0], other[0]):
        alike.append(name)
    one.close()
print(json.dumps([differing, alike]))
"""
    )
    assert found == [[], []]
    assert len(INSTRUCTIONS) == 50


def test_success_is_what_the_simulator_reports_and_ends_the_episode() -> None:
    """The expert's own episode, stepped in Meta-World's environment without ours."""
    ours, theirs = there(
        """
import json, os, pickle
os.environ.setdefault("MUJOCO_GL", "egl")
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.types import Task
from vla_rl_bench.types import Start
from vla_rl_bench_metaworld.environment import make
from vla_rl_bench_metaworld.options import MetaworldOptions
made = make("mt10", MetaworldOptions(image_size=64, rendering="fast"), 1)
shown = made.demonstrate(Start(9, 1_000_000), 0)
kind = ALL_V3_ENVIRONMENTS["window-close-v3"]
env = kind()
env.set_task(Task("window-close-v3", pickle.dumps(dict(env_cls=kind, rand_vec=None, partially_observable=False))))
env._freeze_rand_vec, env.seeded_rand_vec = False, True
env.seed(1_000_000)
env.reset()
told = [bool(env.step(action.astype(float))[4]["success"]) for action in shown.actions]
made.close()
print(json.dumps([len(shown.actions), told.index(True) + 1]))
"""
    )
    assert ours == theirs
