"""Contract of RoboTwin 1.0's environment."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, TaskSpec
from vla_rl_bench_robotwin.options import RoboTwin1Options
from vla_rl_bench_robotwin.v1 import arms
from vla_rl_bench_robotwin.v1 import checkout as checkouts
from vla_rl_bench_robotwin.v1.tasks import tasks_of

# Half-open ranges of scene seeds.  SimpleVLA-RL's data set for RoboTwin 1.0 begins at these for training and evaluation
# (rob_dataset.py: train_start_seed_id, eval_start_seed_id); the branch collects demonstrations from seed 0 on.
SPLITS = {"demonstration": (0, 100_000), "training": (100_000, 200_000), "held-out": (100_000_000, 100_100_000)}

_JOINT = 3.9  # rad: what the experts ask of either arm lies within
_NAMES = tuple(f"{side}_{part}" for side in ("left", "right") for part in (*(f"joint{n}" for n in range(1, 7)), "grip"))
_LOW = ((-_JOINT,) * 6 + (0.0,)) * 2
_HIGH = ((_JOINT,) * 6 + (1.0,)) * 2


def contract(suite: str, checkout: Path, options: RoboTwin1Options, *, procedural: bool) -> EnvironmentSpec:
    """Raises `KeyError` for a suite that is none."""
    tasks = tuple(
        TaskSpec(task.name, checkouts.instruction(checkout, task.name), options.step_limit or task.step_limit)
        for task in tasks_of(suite)
    )
    limit = f"limit-{options.step_limit}" if options.step_limit else "limit-own"
    size = f"{options.image_width}x{options.image_height}"
    who = f"procedural-{arms.VERSION}" if procedural else "aloha"
    sapien = version("sapien")
    return EnvironmentSpec(
        name="robotwin1",
        suite=suite,
        protocol=f"robotwin1-1/{limit}/{who}/{size}/{options.shader}/sapien-{sapien}/mplib-{version('mplib')}",
        tasks=tasks,
        images=(ImageSpec("head_camera", options.image_height, options.image_width),),
        proprio=tuple(f"{name}: {'0 closed, 1 open' if 'grip' in name else 'radians'}" for name in _NAMES),
        action=ActionSpec(
            names=_NAMES,
            low=_LOW,
            high=_HIGH,
            noop=((0.0,) * 6 + (1.0,)) * 2,  # where every episode begins
            gripper="0 closes, 1 opens",
            rotation="joint positions",
        ),
        splits=SPLITS,
        versions={name: _version(name) for name in ("sapien", "mplib", "numpy")},
        comparable=not procedural,
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
