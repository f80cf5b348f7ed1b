"""The declaration of the environment; it needs no simulator."""

from __future__ import annotations

from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, TaskSpec
from vla_rl_bench_libero import libero_api
from vla_rl_bench_libero.options import SETTLE_STEPS, SIMPLEVLA_LIMIT, LiberoOptions
from vla_rl_bench_libero.provenance import version, versions
from vla_rl_bench_libero.simulator import CAMERA, PROPRIO, SETTLE_ACTION

ACTION = ActionSpec(
    names=("x", "y", "z", "roll", "pitch", "yaw", "gripper"),
    low=(-1.0,) * 7,
    high=(1.0,) * 7,
    noop=SETTLE_ACTION,
    gripper="-1 opens, +1 closes",
    rotation="axis-angle delta",
)


def contract(suite: str, options: LiberoOptions, backend: str) -> EnvironmentSpec:
    """Return the declaration of a suite.  backend: the OpenGL in use.

    Actions are deltas of OSC_POSE: 1 means 5 cm or 0.5 radians a step.
    """
    limit = options.limit(suite)
    tasks = libero_api.benchmark(suite).tasks
    return EnvironmentSpec(
        name="libero",
        suite=suite,
        protocol=protocol(suite, options),
        tasks=tuple(
            TaskSpec(task.name, libero_api.instruction(suite, index), limit) for index, task in enumerate(tasks)
        ),
        images=(ImageSpec(CAMERA, options.image_size, options.image_size, "rotated-180"),),
        proprio=PROPRIO,
        action=ACTION,
        splits=options.splits,
        versions=versions(backend),
        comparable=options.rendering == "exact" and options.step_limit in (None, SIMPLEVLA_LIMIT),
    )


def protocol(suite: str, options: LiberoOptions) -> str:
    """Return everything that changes a number, as one string."""
    parts = [
        "libero-1" if options.rendering == "exact" else "libero-fast-render-1",
        f"limit-{options.limit(suite)}",
        f"settle-{SETTLE_STEPS}",
        "rot180",
        f"{options.image_size}px",
        options.rendering,
        options.driver,
        f"expert-noise-{options.expert_noise:g}",
        f"mujoco-{version('mujoco')}",
        *(["sampled-starts-2"] if options.sampled_starts else []),
        *([options.protocol] if options.protocol else []),
    ]
    return "/".join(parts)
