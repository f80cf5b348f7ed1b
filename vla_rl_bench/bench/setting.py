"""How much of each row to do, and what the rows share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vla_rl_bench import entries
from vla_rl_bench.bench.rows import Pair, Row
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.interfaces import BatchedEnvironment, TokenPolicy, Trainer
from vla_rl_bench.types import EnvironmentSpec

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Setting:
    """quick: small enough for a test.  note_progress: told in words what is done now."""

    catalog: Catalog
    quick: bool
    note_progress: Callable[[str], None] = field(default=lambda words: None)

    def pick(self, full: Number, quick: Number) -> Number:
        return quick if self.quick else full

    def measured(self, pair: Pair, rounds: int = 5) -> Row:
        """rounds: of the full form; the quick one has two."""
        self.note_progress(f"{pair.letter}: {pair.what}")
        return pair.measured(self.pick(rounds, 2))


TABLETOP = "object"  # of the built-in environment's suites, the one whose films the quickstart shows


def tabletop(catalog: Catalog, slots: int) -> BatchedEnvironment:
    """The built-in environment, as the quickstart has it."""
    entry = catalog.environment("tabletop")
    made: BatchedEnvironment = entries.load(entry.make)(TABLETOP, entry.options(), slots)
    return made


def nano(catalog: Catalog, spec: EnvironmentSpec, **options: Any) -> TokenPolicy:
    """The built-in policy."""
    entry = catalog.policy("nano")
    catalog.require(entry)
    policy: TokenPolicy = entries.load(entry.make)(spec, entry.options(**options), 0)
    return policy


def trainer(catalog: Catalog, policy: TokenPolicy) -> Trainer:
    """One process on the CPU."""
    entry = catalog.strategy("single")
    made: Trainer = entries.load(entry.make)(entry.options(device="cpu")).prepare(policy)
    return made
