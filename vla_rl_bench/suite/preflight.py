"""Checks of a suite before anything runs: modules, interpreters, files, drivers, and conventions of its environment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from vla_rl_bench import entries
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import Named, Suite
from vla_rl_bench.conventions import Expectation, differences
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.entries import CheckResult
from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench.options import make_options
from vla_rl_bench.rollout import interpreters
from vla_rl_bench.suite.plan import plan
from vla_rl_bench.suite.session import check_starts, one_slot, open_session


def require_ready(suite: Suite, catalog: Catalog, columns: Sequence[str]) -> None:
    """Raise one error with everything that prevents the runs of some columns.

    A policy's own requirements, such as its memory, are estimates: a dry run prints them, and a run goes ahead.

    Raises:
        MissingRequirement: Something is not installed.
        UserError: Policy or evaluation do not fit the environment.
    """
    missing = [
        *_check_environment(suite, catalog, columns),
        *_check_modules(catalog, catalog.policy(suite.policy.name)),
        *_check_modules(catalog, catalog.strategy(suite.strategy.name)),
    ]
    if len(missing) == 1:
        raise MissingRequirement(missing[0].what, missing[0].advice)
    if missing:
        raise MissingRequirement("\n".join(as_lines(missing)))
    problems = check_conventions(suite, catalog, columns)
    if problems:
        raise UserError("\n".join(problems))


def check_requirements(suite: Suite, catalog: Catalog) -> list[CheckResult]:
    """List everything that a suite lacks on this machine, each with the command that fixes it."""
    strategy = catalog.strategy(suite.strategy.name)
    return [
        *_check_environment(suite, catalog, suite.columns),
        *_check_policy(suite, catalog),
        *_check_modules(catalog, strategy),
    ]


def as_lines(results: Sequence[CheckResult]) -> Iterator[str]:
    """Format results as lines, each command once below the neighboring results that it fixes."""
    for advice, neighbors in groupby(results, lambda result: result.advice):
        yield from (neighbor.what for neighbor in neighbors)
        if advice:
            yield f"      Run: {advice}"


def _check_environment(suite: Suite, catalog: Catalog, columns: Sequence[str]) -> Iterator[CheckResult]:
    entry, config = catalog.environment(suite.environment.name), suite.environment
    yield from _check_modules(catalog, entry)
    if not columns:
        return
    python = config.python
    if python is not None and shutil.which(python) is None:
        yield CheckResult(False, f"environment.python: {python} is no program", "give the path of a Python")
        python = None
    elif python is None and entry.interpreter:
        path = interpreters.find(entry.interpreter)
        python = str(path) if path else None
        if python is None:
            name = entry.interpreter.name
            what = f"{entry.name}: the workers' interpreter `{name}` {interpreters.problem(entry.interpreter)}"
            yield CheckResult(False, what, f"vla-rl-bench env create {name}")
    if entry.needs:
        yield from _ask_plugin(entry.name, entry.needs, _task_suites(suite, columns), _options(entry, config), python)


def _check_policy(suite: Suite, catalog: Catalog) -> Iterator[CheckResult]:
    entry = catalog.policy(suite.policy.name)
    yield from _check_modules(catalog, entry)
    if entry.needs:
        gpus, strategy = rank_and_world_size()[1], _strategy_name(suite, catalog)
        task_suites = _task_suites(suite, suite.columns)
        yield from _ask_plugin(entry.name, entry.needs, task_suites, _options(entry, suite.policy), gpus, strategy)


def _task_suites(suite: Suite, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the environment's task suites of the columns, each once."""
    return tuple(dict.fromkeys(map(suite.task_suite, columns)))


def _strategy_name(suite: Suite, catalog: Catalog) -> str:
    """Return the strategy as a policy's plan of memory names it: ``single``, ``deepspeed-zero2``."""
    name = suite.strategy.name
    stage = getattr(_options(catalog.strategy(name), suite.strategy), "zero", None)
    return name if stage is None else f"{name}-zero{stage}"


def _options(entry: Any, config: Named) -> Any:
    return make_options(entry.options, config.options, config.name)


def _check_modules(catalog: Catalog, entry: Any) -> Iterator[CheckResult]:
    try:
        catalog.require(entry)
    except MissingRequirement as error:
        yield CheckResult(False, error.what, error.advice)


def _ask_plugin(name: str, reference: str, *arguments: Any) -> Iterator[CheckResult]:
    """Run a plugin's own check of its requirements and put the entry's name before each result that is not ok."""
    check: Callable[..., Sequence[CheckResult]] = entries.load(reference)
    for result in check(*arguments):
        if not result.ok:
            yield CheckResult(False, f"{name}: {result.what}", result.advice)


# -- conventions


def check_conventions(suite: Suite, catalog: Catalog, columns: Sequence[str] | None = None) -> list[str]:
    """List the columns in which policy or evaluation do not fit the environment, with what differs.

    Each column's environment is built once, as a run would build it, if that is cheap (batched environments) or the
    policy says what it expects; every run compares its evaluations again before it trains.
    """
    if not builds_environment(suite, catalog):
        return []
    entry = catalog.policy(suite.policy.name)
    expect = entries.load(entry.expects) if entry.expects else None
    problems = []
    for column in suite.columns if columns is None else columns:
        run = next(run for run in plan(suite, catalog) if run.column == column)
        with open_session(one_slot(suite), run, catalog) as session:
            spec = session.spec
        try:
            check_starts(suite, spec)
        except UserError as error:
            problems.append(str(error))
        if expect is not None:
            expectation: Expectation = expect(spec, _options(entry, suite.policy))
            different = "; ".join(differences(expectation, spec))
            if different:
                problems.append(
                    f"policy `{entry.name}` does not fit column `{column}`: {different}. {expectation.advice}"
                )
    return list(dict.fromkeys(problems))


def builds_environment(suite: Suite, catalog: Catalog) -> bool:
    """Return True if `check_conventions` builds the suite's environment."""
    batched = catalog.environment(suite.environment.name).batched
    return batched or catalog.policy(suite.policy.name).expects is not None
