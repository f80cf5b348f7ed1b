"""Hooks of this plugin.  Light: imported whenever the catalog is listed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vla_rl_bench.entries import CheckEntry, EnvironmentEntry, Interpreter, Requirements
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_metaworld.checks import check_interpreter, check_library
from vla_rl_bench_metaworld.options import MetaworldOptions
from vla_rl_bench_metaworld.tasks import SUITES

INTERPRETER = Interpreter(
    name="metaworld",
    summary="Meta-World 3.1.1 and the MuJoCo 3.3.0 that it needs",
    python=("3.11", "3.12", "3.13"),  # supported by Meta-World and by vla-rl-bench
    requirements=(Requirements(Path(__file__).with_name("requirements.txt").absolute()),),
    imports=("metaworld.env_dict", "mujoco", "OpenGL"),
    gigabytes=0.4,
)


@hookimpl
def register_environments() -> Iterable[EnvironmentEntry]:
    yield EnvironmentEntry(
        name="metaworld",
        summary="Meta-World, a Sawyer arm on 50 tasks in MuJoCo, in an interpreter of its own",
        make="vla_rl_bench_metaworld.environment:make",
        suites=tuple(SUITES),
        options=MetaworldOptions,
        interpreter=INTERPRETER,
    )


@hookimpl
def register_checks() -> Iterable[CheckEntry]:
    yield CheckEntry(name="metaworld", check=lambda: [check_interpreter(INTERPRETER), check_library()])
