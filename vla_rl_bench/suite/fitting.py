"""Does the policy mean what the environment declares?  Asked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from vla_rl_bench import entries
from vla_rl_bench.catalog import Catalog, make_options
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.conventions import Expectation, differences
from vla_rl_bench.errors import UserError
from vla_rl_bench.rollout.pool import open_pool
from vla_rl_bench.types import EnvironmentSpec


def refuse_misfits(suite: Suite, catalog: Catalog, columns: Sequence[str] | None = None) -> None:
    """Raises a `UserError` that names what differs, for the first column where something does.

    Only for policies that say what they expect.  Each column's environment is built once, as a run would build it, and
    asked what it declares.
    """
    entry = catalog.policy(suite.policy.name)
    if entry.expects is None:
        return
    expects = entries.load(entry.expects)
    options = make_options(entry.options, suite.policy.options, suite.policy.name)
    for column in suite.columns if columns is None else columns:
        spec = declared(suite, catalog, column)
        expected: Expectation = expects(spec, options)
        found = list(differences(expected, spec))
        if found:
            raise UserError(
                f"policy `{entry.name}` does not fit column `{column}`: {'; '.join(found)}. {expected.advice}"
            )


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
