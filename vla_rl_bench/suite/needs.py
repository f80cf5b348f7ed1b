"""What a suite needs that is not here: modules, interpreters, files, drivers.  Asked before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from vla_rl_bench import entries
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import Named, Suite
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.entries import CheckResult
from vla_rl_bench.errors import MissingRequirement
from vla_rl_bench.options import make_options
from vla_rl_bench.rollout import interpreters


def missing(suite: Suite, catalog: Catalog) -> list[CheckResult]:
    """Everything that `suite` lacks here, each with what mends it; nothing where all is there."""
    found = [*_of_environment(suite, catalog), *_of_policy(suite, catalog)]
    found += _modules(catalog, catalog.strategy(suite.strategy.name))
    return [one for one in found if not one.ok]


def refuse_missing(suite: Suite, catalog: Catalog, columns: Sequence[str]) -> None:
    """Raises a `MissingRequirement` where the environment of `columns` cannot run here."""
    found = [one for one in _of_environment(suite, catalog, columns) if not one.ok]
    if found:
        raise MissingRequirement("\n".join(lines(found)))


def lines(results: Sequence[CheckResult]) -> Iterator[str]:
    """What is missing, and below it what to type; once for neighbours that the same command mends."""
    for advice, those in groupby(results, lambda one: one.advice):
        yield from (one.what for one in those)
        if advice:
            yield f"      Run: {advice}"


def _of_environment(suite: Suite, catalog: Catalog, columns: Sequence[str] | None = None) -> Iterator[CheckResult]:
    entry, config = catalog.environment(suite.environment.name), suite.environment
    yield from _modules(catalog, entry)
    python = config.python
    if python is not None and shutil.which(python) is None:
        yield CheckResult(False, f"environment.python: {python} is no program", "give the path of a Python")
        python = None
    elif python is None and entry.interpreter:
        found = interpreters.find(entry.interpreter)
        python = str(found) if found else None
        if python is None:
            name = entry.interpreter.name
            what = f"{entry.name}: the workers' interpreter `{name}` {interpreters.problem(entry.interpreter)}"
            yield CheckResult(False, what, f"vla-rl-bench env create {name}")
    if entry.needs:
        chosen = _task_suites(suite, suite.columns if columns is None else columns)
        yield from _asked(entry.name, entry.needs, chosen, _options(entry, config), python)


def _of_policy(suite: Suite, catalog: Catalog) -> Iterator[CheckResult]:
    entry = catalog.policy(suite.policy.name)
    yield from _modules(catalog, entry)
    if entry.needs:
        gpus, strategy = rank_and_world_size()[1], _strategy(suite, catalog)
        chosen = _task_suites(suite, suite.columns)
        yield from _asked(entry.name, entry.needs, chosen, _options(entry, suite.policy), gpus, strategy)


def _task_suites(suite: Suite, columns: Sequence[str]) -> tuple[str, ...]:
    """The environment's names for the columns, once each."""
    return tuple(dict.fromkeys(map(suite.task_suite, columns)))


def _strategy(suite: Suite, catalog: Catalog) -> str:
    """As a policy's plan of memory knows it: ``single``, ``deepspeed-zero2``."""
    name = suite.strategy.name
    stage = getattr(_options(catalog.strategy(name), suite.strategy), "zero", None)
    return name if stage is None else f"{name}-zero{stage}"


def _options(entry: Any, config: Named) -> Any:
    return make_options(entry.options, config.options, config.name)


def _modules(catalog: Catalog, entry: Any) -> Iterator[CheckResult]:
    try:
        catalog.require(entry)
    except MissingRequirement as error:
        what, _, advice = str(error).partition(" Run: ")
        yield CheckResult(False, what.rstrip("."), advice)


def _asked(name: str, reference: str, *arguments: Any) -> Iterator[CheckResult]:
    """A plugin's own answer, each line under its entry's name."""
    ask: Callable[..., Sequence[CheckResult]] = entries.load(reference)
    for one in ask(*arguments):
        yield CheckResult(one.ok, f"{name}: {one.what}", one.advice)
