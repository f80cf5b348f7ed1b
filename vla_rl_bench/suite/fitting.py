"""Comparison of a suite with what its environment declares, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from vla_rl_bench import entries
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.conventions import Expectation, differences
from vla_rl_bench.errors import UserError
from vla_rl_bench.options import make_options
from vla_rl_bench.rollout.pool import open_pool
from vla_rl_bench.suite.workshop import check_starts
from vla_rl_bench.types import EnvironmentSpec


def refuse_misfits(suite: Suite, catalog: Catalog, columns: Sequence[str] | None = None) -> None:
    """Raise a `UserError` for the first column in which policy or evaluation do not fit the environment.

    Each column's environment is built once, as a run would build it, if that is cheap (batched environments) or the
    policy says what it expects; every run compares its evaluations again before it trains.
    """
    entry = catalog.policy(suite.policy.name)
    if not asks_environment(suite, catalog):
        return
    expects = entries.load(entry.expects) if entry.expects else None
    options = make_options(entry.options, suite.policy.options, suite.policy.name)
    for column in suite.columns if columns is None else columns:
        spec = declared(suite, catalog, column)
        check_starts(suite, spec)
        if expects is None:
            continue
        expected: Expectation = expects(spec, options)
        found = list(differences(expected, spec))
        if found:
            raise UserError(
                f"policy `{entry.name}` does not fit column `{column}`: {'; '.join(found)}. {expected.advice}"
            )


def asks_environment(suite: Suite, catalog: Catalog) -> bool:
    """Say if `refuse_misfits` builds the suite's environment."""
    batched = catalog.environment(suite.environment.name).batched
    return batched or catalog.policy(suite.policy.name).expects is not None


def declared(suite: Suite, catalog: Catalog, column: str) -> EnvironmentSpec:
    """What the environment of a column says of itself."""
    config, runtime = suite.environment, suite.runtime
    entry = catalog.environment(config.name)
    options = make_options(entry.options, config.options, config.name)
    pool = open_pool(
        entry, suite.task_suite(column), options, slots=1, workers=min(runtime.workers, 1), python=config.python
    )
    try:
        return pool.contract
    finally:
        pool.close()
