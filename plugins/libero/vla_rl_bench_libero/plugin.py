"""Hooks of this plugin.  Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from vla_rl_bench.entries import CheckEntry, EnvironmentEntry
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_libero.checks import INSTALL, check
from vla_rl_bench_libero.options import SUITES, LiberoOptions


@hookimpl
def register_environments() -> Iterable[EnvironmentEntry]:
    yield EnvironmentEntry(
        name="libero",
        summary="LIBERO, a Franka arm on 130 tasks, rendered by MuJoCo on a CPU or GPU",
        make="vla_rl_bench_libero.environment:make",
        suites=SUITES,
        options=LiberoOptions,
        requires=("libero", "robosuite", "mujoco"),
        install=INSTALL,
        demonstrations="vla_rl_bench_libero.demonstration_files:read",
    )


@hookimpl
def register_checks() -> Iterable[CheckEntry]:
    yield CheckEntry(name="libero", check=check)
