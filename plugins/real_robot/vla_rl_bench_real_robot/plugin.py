"""Registers the command `real-robot`."""

from __future__ import annotations

import typer

from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_real_robot.commands import real_robot


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.add_typer(real_robot(), name="real-robot")
