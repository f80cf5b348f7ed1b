"""The declaration of the environment."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.types import ActionSpec, EnvironmentSpec, FloatArray, ImageSpec, TaskSpec
from vla_rl_bench_metaworld.options import MetaworldOptions
from vla_rl_bench_metaworld.tasks import INSTRUCTIONS, SUITES

CAMERA = "corner2"
SPLITS = {"demonstration": (0, 10_000), "training": (10_000, 1_000_000), "held-out": (1_000_000, 1_010_000)}
ACTION = ActionSpec(
    names=("dx", "dy", "dz", "gripper"),  # 1 moves the hand's target by 1 cm (Meta-World's action_scale)
    low=(-1.0,) * 4,
    high=(1.0,) * 4,
    noop=(0.0,) * 4,
    gripper="-1 opens, +1 closes",
    rotation="none",
)
# Meta-World's bounds of the hand (SawyerXYZEnv._HAND_SPACE), meters: middle and half width
_MIDDLE = np.array([0.0, 0.6865, 0.32375])
_HALF = np.array([0.525, 0.3385, 0.37625])
PROPRIO = (
    "hand x, m / 0.525",
    "hand y, (m - 0.6865) / 0.3385",
    "hand z, (m - 0.32375) / 0.37625",
    "gripper, 0 closed to 1 open",
)


def proprio(state: NDArray[np.float64]) -> FloatArray:
    """Convert Meta-World's 39 numbers to float32 [4] in the units of `PROPRIO`; omit the poses of objects and goal."""
    return np.concatenate([(state[:3] - _MIDDLE) / _HALF, state[3:4]]).astype(np.float32)


def protocol(options: MetaworldOptions, metaworld: str, mujoco: str) -> str:
    """Return everything that changes a result as one string; the expert's noise changes demonstrations only."""
    return (
        f"1/metaworld-{metaworld}/mujoco-{mujoco}/limit-{options.step_limit}"
        f"/{options.camera}-{options.image_size}-{options.rendering}/seeded"
    )


def contract(suite: str, options: MetaworldOptions) -> EnvironmentSpec:
    """Return the declaration of a suite."""
    versions = {package: version(package) for package in ("metaworld", "mujoco", "gymnasium", "numpy", "scipy")}
    return EnvironmentSpec(
        name="metaworld",
        suite=suite,
        protocol=protocol(options, versions["metaworld"], versions["mujoco"]),
        tasks=tuple(TaskSpec(name, INSTRUCTIONS[name], options.step_limit) for name in SUITES[suite]),
        images=(ImageSpec(CAMERA, options.image_size, options.image_size, "upright"),),
        proprio=PROPRIO,
        action=ACTION,
        splits=SPLITS,
        versions=versions,
        comparable=options.rendering == "exact",  # published policies were evaluated with shadows
    )
