"""What this distribution brings to vla-rl-bench."""

from __future__ import annotations

from collections.abc import Iterable

from vla_rl_bench.entries import AdvantageEntry, EnvironmentEntry, TrickEntry
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_reach.environment import ReachOptions
from vla_rl_bench_reach.learning import EntropyBonus


@hookimpl
def register_environments() -> Iterable[EnvironmentEntry]:
    yield EnvironmentEntry(
        name="reach",
        summary="a point that must reach the named square",
        make="vla_rl_bench_reach.environment:make",
        suites=("near", "far"),
        options=ReachOptions,
    )


@hookimpl
def register_advantages() -> Iterable[AdvantageEntry]:
    yield AdvantageEntry(
        name="leave-one-out",
        summary="each return minus the mean of the others",
        function="vla_rl_bench_reach.learning:leave_one_out",
    )


@hookimpl
def register_tricks() -> Iterable[TrickEntry]:
    yield TrickEntry(name="entropy-bonus", summary="reward uncertainty", trick=EntropyBonus)
