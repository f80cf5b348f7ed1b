"""Contract of the environment; imports no simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from vla_rl_bench.errors import UserError
from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, TaskSpec
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.tasks import Task, tasks_of
from vla_rl_bench_robotwin.v2 import scene_seeds
from vla_rl_bench_robotwin.v2.assets import Assets
from vla_rl_bench_robotwin.v2.instructions import instruction

_JOINTS = tuple(f"joint_{number}" for number in range(1, 7))
NAMES = tuple(f"{arm}_{name}" for arm in ("left", "right") for name in (*_JOINTS, "gripper"))
PROPRIO = tuple(f"{name}: {'0 closed, 1 open' if name.endswith('gripper') else 'target, radians'}" for name in NAMES)

# Of the arms of boxes, radians: where their experts go on the five tasks, and some room.
BOX_LOW = (-1.2, -1.6, 0.4, -3.8, -1.6, -3.8, 0.0)
BOX_HIGH = (1.2, 0.0, 2.6, 3.8, 1.6, 3.8, 1.0)
BOX_HOME = (0.0, -1.3, 2.2, 0.0, -0.9, 0.0, 1.0)  # boxes._HOME, open


def contract(suite: str, options: RoboTwinOptions, assets: Assets, lists: scene_seeds.Lists | None) -> EnvironmentSpec:
    """The declaration for a column; its tasks are those of the column, in order."""
    tasks = tasks_of(suite)
    return EnvironmentSpec(
        name="robotwin2",
        suite=suite,
        protocol=protocol(options, assets, tasks),
        tasks=tuple(
            TaskSpec(task.name, instruction(task.name, options.instructions), limit(task, options)) for task in tasks
        ),
        images=tuple(ImageSpec(name, options.image_height, options.image_width) for name in options.cameras),
        proprio=PROPRIO,
        action=action(assets),
        splits=scene_seeds.bounds(lists, [task.name for task in tasks]),
        versions=versions(),
        comparable=assets.real and (options.image_height, options.image_width) == (240, 320) and not options.step_limit,
    )


def action(assets: Assets) -> ActionSpec:
    """Joint targets.  Those of real arms are bounded by a half turn; a checkpoint brings bounds of its own."""
    low, high, noop = (-math.pi,) * 6 + (0.0,), (math.pi,) * 6 + (1.0,), (0.0,) * 6 + (1.0,)
    if not assets.real:
        low, high, noop = BOX_LOW, BOX_HIGH, BOX_HOME
    return ActionSpec(
        names=NAMES,
        low=low * 2,
        high=high * 2,
        noop=noop * 2,
        gripper="0 closes, 1 opens",
        rotation="joint positions",
        absolute=True,
    )


def limit(task: Task, options: RoboTwinOptions) -> int:
    """Actions that an episode may take."""
    if options.protocol != "paper":
        return options.step_limit or task.step_limit
    if task.paper_limit is None:
        raise UserError(
            f"environment.protocol: `paper` says nothing of {task.name}; leave it out, or name tasks of its tables 4, 7"
        )
    return task.paper_limit


def seed_lists(options: RoboTwinOptions, assets: Assets) -> scene_seeds.Lists | None:
    """The user's file, or for the arms of boxes ours; real assets without a file have none."""
    if options.seeds is not None:
        return scene_seeds.load(Path(options.seeds).expanduser())
    return None if assets.real else scene_seeds.load(scene_seeds.SHIPPED)


def protocol(options: RoboTwinOptions, assets: Assets, tasks: Sequence[Task]) -> str:
    """Everything that changes a number, in one string."""
    limits = sorted({limit(task, options) for task in tasks})
    seeds = Path(options.seeds).name if options.seeds else "unfiltered" if assets.real else "expert-solved"
    parts = [
        "robotwin2-1" if assets.real else "robotwin2-procedural-1",
        "limit-" + "-".join(map(str, limits)),
        assets.embodiment + (f"-{assets.apart:g}m" if assets.apart else ""),
        "+".join(options.cameras),
        f"{options.image_height}x{options.image_width}px",
        options.shader,
        options.planner,
        options.instructions,
        "randomised" if options.randomisation else "clean",
        f"seeds-{seeds}",
        f"expert-{options.expert_spacing}",
        f"runtime-{version('rlinf-robotwin-runtime')}",
        f"sapien-{version('sapien')}",
        f"mplib-{version('mplib')}",
        *([options.protocol] if options.protocol else []),
    ]
    return "/".join(parts)


def versions() -> dict[str, str]:
    """Of what every number may hang on, in the worker's interpreter."""
    names = ("rlinf-robotwin-runtime", "sapien", "mplib", "toppra", "numpy")
    return {name: version(name) for name in names}


def version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"
