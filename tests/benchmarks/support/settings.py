"""Size of the work, and the parts that benchmarks share: built-in environment, policy and trainer."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vla_rl_bench import entries
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.interfaces import BatchedEnvironment, TokenPolicy, Trainer
from vla_rl_bench.records.provenance import versions
from vla_rl_bench.types import EnvironmentSpec

Number = TypeVar("Number", int, float)
FULL = "VLA_RL_BENCH_FULL"  # environment variable: any value but an empty one asks for the full form
TABLETOP = "object"  # the task suite of the built-in environment whose films the quickstart shows


@dataclass(frozen=True)
class Settings:
    """The installed plugins, and the form: the quick one is small enough for a test."""

    catalog: Catalog
    quick: bool

    def pick(self, full: Number, quick: Number) -> Number:
        return quick if self.quick else full


def tabletop(catalog: Catalog, slots: int) -> BatchedEnvironment:
    """Build the built-in environment as the quickstart has it."""
    entry = catalog.environment("tabletop")
    environment: BatchedEnvironment = entries.load(entry.make)(TABLETOP, entry.options(), slots)
    return environment


def nano(catalog: Catalog, spec: EnvironmentSpec, **options: Any) -> TokenPolicy:
    """Build the built-in policy."""
    entry = catalog.policy("nano")
    catalog.require(entry)
    policy: TokenPolicy = entries.load(entry.make)(spec, entry.options(**options), 0)
    return policy


def trainer(catalog: Catalog, policy: TokenPolicy) -> Trainer:
    """Prepare the policy for training in one process on the CPU."""
    entry = catalog.strategy("single")
    prepared: Trainer = entries.load(entry.make)(entry.options(device="cpu")).prepare(policy)
    return prepared


def conditions(load_before: Sequence[float]) -> dict[str, Any]:
    """Machine, versions and load average, for the records of the scripts that pytest-benchmark does not run.

    Args:
        load_before: The load average when the measurement began.
    """
    return {
        "versions": versions(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_average_before": [round(load, 2) for load in load_before],
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
