"""Log of the branch's tasks that import, step and succeed on this machine; it wrote results/robotwin1.

From a checkout of this project, under the workers' interpreter:

    ROBOTWIN1_ROOT=... PYTHONPATH=.:plugins/robotwin "$(vla-rl-bench env path robotwin)" \\
        -m vla_rl_bench_robotwin.v1.trial --seeds 3
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from importlib.metadata import version

import numpy as np

from vla_rl_bench.types import Demonstration, Start
from vla_rl_bench_robotwin.options import CHUNK, RoboTwin1Options
from vla_rl_bench_robotwin.v1 import checkout as checkouts
from vla_rl_bench_robotwin.v1.environment import RoboTwin1Environment, make
from vla_rl_bench_robotwin.v1.tasks import MESH_FREE, TASKS

_THIN = 3  # every third row of a demonstration is an action: 45 physics steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="scene seeds a task, from 0 on")
    parser.add_argument("--tasks", nargs="*", default=MESH_FREE)
    arguments = parser.parse_args()
    print(", ".join(f"{name} {version(name)}" for name in ("sapien", "mplib", "numpy", "torch")))
    environments = {name: make(name, RoboTwin1Options(assets="procedural")) for name in arguments.tasks}
    _import_all()
    for name, environment in environments.items():
        for seed in range(arguments.seeds):
            print(f"{name} seed {seed}: {_try(environment, Start(0, seed))}", flush=True)
        environment.close()


def _import_all() -> None:
    failed = {}
    for name in TASKS:
        try:
            checkouts.task_class(name)
        except Exception as error:  # whatever somebody else's module does
            failed[name] = f"{type(error).__name__}: {error}"
    print(
        f"{len(TASKS) - len(failed)} of {len(TASKS)} task classes import"
        + "".join(f"; {n}: {e}" for n, e in failed.items())
    )


def _try(environment: RoboTwin1Environment, start: Start) -> str:
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):  # the classes print their plans' failures
        demonstration = environment.demonstrate(start, 0)
    expert = time.process_time() - started
    if demonstration is None:
        planned = environment.scene.task.plan_success
        return f"set up and stepped; expert {'ends unsolved' if planned else 'finds no plan'}; {expert:.0f} CPU s"
    started = time.process_time()
    taken, solved, failures = _replay(environment, start, demonstration)
    spent, word = time.process_time() - started, "solve it" if solved else "do not solve it"
    return (
        f"expert solves it ({len(demonstration.actions)} rows, {expert:.0f} CPU s); its waypoints "
        f"in chunks of {CHUNK} {word} "
        f"({taken} actions, {failures} planning failures, {spent:.0f} CPU s)"
    )


def _replay(environment: RoboTwin1Environment, start: Start, demonstration: Demonstration) -> tuple[int, bool, int]:
    actions = np.concatenate([demonstration.actions[_THIN - 1 :: _THIN], demonstration.actions[-1:]])
    environment.reset(options={"start": start})
    taken, failures = 0, 0
    while taken < len(actions):
        result = environment.step_chunk(actions[taken : taken + CHUNK])
        taken, failures = taken + result.steps, failures + len(result.events)
        if result.done:
            return taken, result.success, failures
    return taken, False, failures


if __name__ == "__main__":
    main()
