"""A policy with a format of its own: it writes the task suite that it was made for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.testing import counting
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import NanoPolicy
from vla_rl_bench.entries import EnvironmentEntry, PolicyEntry
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.types import EnvironmentSpec


class ExportingPolicy(NanoPolicy):
    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__(spec, options)
        self.task_suite = spec.suite

    def export(self, folder: Path) -> None:
        (folder / "task_suite.txt").write_text(self.task_suite)


def make(spec: EnvironmentSpec, options: NanoOptions, seed: int) -> ExportingPolicy:
    return ExportingPolicy(spec, options)


class Plugin:
    @hookimpl
    def register_policies(self) -> Iterator[PolicyEntry]:
        yield PolicyEntry("exporting", "for tests", "tests.suite.exporting:make", options=NanoOptions)

    @hookimpl
    def register_environments(self) -> Iterator[EnvironmentEntry]:
        yield counting.ENTRY
