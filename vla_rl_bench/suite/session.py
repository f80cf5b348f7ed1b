"""The resources of one run: its environment, policy, strategy and hooks, each opened on first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vla_rl_bench import entries, seeding
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.checks import named_starts, too_few_starts
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.config.schema import EnvironmentConfig, Named, Suite
from vla_rl_bench.config.yaml_file import raise_errors
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.engine.distributed import ranks_of
from vla_rl_bench.engine.hooks import Event, RunHooks
from vla_rl_bench.entries import EnvironmentEntry, PolicyEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import read_json
from vla_rl_bench.interfaces import Ranks, Strategy, TokenPolicy
from vla_rl_bench.options import make_options
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import record_paths
from vla_rl_bench.rollout.actor import make_policy
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.suite.plan import Run, RunJob, digest
from vla_rl_bench.suite.progress import Report, Reporter, ignore
from vla_rl_bench.types import EnvironmentSpec


class RunSession:
    """The environment, policy and strategy of one run; each is opened on first use.  A context manager."""

    def __init__(self, job: RunJob, catalog: Catalog, reporter: Reporter = ignore) -> None:
        self.job, self.catalog = job, catalog
        self.suite, self.run, self.folder = job.suite, job.run, job.run_folder
        self._reporter = reporter
        self._pools: dict[str, Pool] = {}

    def __enter__(self) -> RunSession:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        while self._pools:
            self._pools.popitem()[1].close()

    def report(self, stage: str, done: int, total: int, detail: str = "") -> None:
        self._reporter(Report(self.run.id, stage, done, total, detail))

    # -- the environment

    @cached_property
    def environment(self) -> EnvironmentEntry:
        entry = self.catalog.environment(self.suite.environment.name)
        self.catalog.require(entry)
        return entry

    def environment_options(self, changes: Mapping[str, Any] | None = None) -> Any:
        config = self.suite.environment
        return make_options(self.environment.options, config.options | dict(changes or {}), config.name)

    def pool(self, changes: Mapping[str, Any] | None = None, task_suite: str | None = None) -> Pool:
        """Open the pool of the run's environment, or of the same with changed options or another task suite.

        One is open at a time: a simulator's workers take gigabytes each.
        """
        key = digest([dict(changes or {}), task_suite])
        if key not in self._pools:
            self.close()
            self.report("starting the environment", 0, 1)
            runtime = self.suite.runtime
            self._pools[key] = open_pool(
                self.environment,
                task_suite or self.suite.task_suite(self.run.column),
                self.environment_options(changes),
                slots=runtime.slots,
                workers=runtime.workers,
                environments=runtime.environments,
                forward_rows=runtime.forward_rows,
                deterministic=runtime.deterministic,
                python=self.suite.environment.python,
            )
        return self._pools[key]

    @cached_property
    def spec(self) -> EnvironmentSpec:
        """The declaration of the run's environment, from a worker."""
        return self.pool().contract

    def tasks(self, spec: EnvironmentSpec) -> tuple[int, ...]:
        """Return the tasks that the run trains and is evaluated on: the suite's, or all but the unseen ones."""
        column = self.run.column
        if column in self.suite.tasks:
            return _check_tasks(spec, self.suite.tasks[column], f"tasks.{column}")
        unseen = self.unseen_tasks(spec)
        tasks = tuple(task for task in range(len(spec.tasks)) if task not in unseen)
        if not tasks:
            raise UserError(f"unseen.{column}: names every task of {spec.suite}; leave some to train on")
        return tasks

    def unseen_tasks(self, spec: EnvironmentSpec) -> tuple[int, ...]:
        column = self.run.column
        return _check_tasks(spec, self.suite.unseen.get(column, ()), f"unseen.{column}")

    # -- the policy

    @cached_property
    def policy_entry(self) -> PolicyEntry:
        entry = self.catalog.policy(self.suite.policy.name)
        self.catalog.require(entry)
        return entry

    def new_policy(self) -> TokenPolicy:
        """Make the policy that the run's training begins with, on the CPU."""
        config = self.suite.policy
        options = make_options(self.policy_entry.options, config.options, config.name)
        return make_policy(self.policy_entry, self.spec, options, seeding.integer("policy", self.run.seed))

    def load_weights(self, policy: TokenPolicy) -> TokenPolicy:
        """Load the run's trained weights into a policy."""
        checkpoint.load_policy(self.folder.policy_path, policy)  # type: ignore[arg-type]
        return policy

    @cached_property
    def trained_policy(self) -> TokenPolicy | None:
        """The trained policy, ready to act; None: the environment's expert acts."""
        if self.policy_entry.demonstrates:
            return None
        return self.strategy.place(self.load_weights(self.new_policy()))

    # -- the strategy and the hooks

    @cached_property
    def strategy(self) -> Strategy:
        return _open_strategy(self.suite, self.catalog)

    @cached_property
    def ranks(self) -> Ranks:
        return ranks_of(self.strategy)

    @cached_property
    def hooks(self) -> RunHooks:
        """The tricks and trackers of the run."""
        rl, catalog = self.job.arm.rl, self.catalog
        tricks, trackers = rl.tricks if rl else (), self.suite.trackers
        return RunHooks(
            [make_options(catalog.trick(trick.name).trick, trick.options, trick.name) for trick in tricks],
            [make_options(catalog.tracker(named.name).tracker, named.options, named.name) for named in trackers],
        )

    def notify(self, event: Event) -> None:
        """Notify the observers, on the first rank only."""
        if self.ranks.main:
            self.hooks.notify(event)


def open_session(
    suite: Suite, run: Run, catalog: Catalog, folder: Path = Path(), reporter: Reporter = ignore
) -> RunSession:
    """Open the session of a planned run.

    Args:
        suite: The suite.
        run: A run of the suite.
        catalog: The installed plugins.
        folder: The suite's folder; not needed for a session that neither reads nor writes files of the run.
        reporter: Called with the progress.
    """
    return RunSession(RunJob(suite, run, folder), catalog, reporter)


def open_recorded(folder: Path, catalog: Catalog) -> RunSession:
    """Open the environment and policy of a run that exists, from ``run.json`` and its suite's record, with one slot.

    Args:
        folder: The run's folder, ``runs/<suite>/runs/<id>``.
        catalog: The installed plugins.
    """
    record = RunFolder(folder).read()
    if "recipe" not in record:
        raise UserError(f"{folder}: no run is here; give a folder like runs/<suite>/runs/<id>")
    suite_folder = folder.absolute().parents[1]
    suites = [read_json(path) for path in record_paths(suite_folder)]
    if not suites:
        raise UserError(f"{folder}: its suite's record, {suite_folder / 'suite.json'}, is missing; copy it there too")
    recorded = next((suite for suite in suites if folder.name in suite["runs"]), suites[0])
    try:
        plain = {name: section for name, section in recorded.items() if name in Suite.model_fields}
        suite = Suite.model_validate_json(json.dumps(plain))
        run = Run(folder.name, *(record[name] for name in ("arm", "column", "seed", "parent", "recipe")))
        suite = one_slot(_recorded_suite(suite, run))
    except (ValidationError, KeyError):
        raise UserError(f"{folder}: not a run that this version made; run its suite again") from None
    session = RunSession(RunJob(suite, run, suite_folder), catalog)
    session.folder = RunFolder(folder, writes=False)
    return session


def _recorded_suite(suite: Suite, run: Run) -> Suite:
    """Reduce a suite to one run, with environment, policy and tasks from the run's own record."""
    recipe, column = run.recipe, run.column
    environment = recipe["environment"] | {"python": suite.environment.python}
    changes = {
        "environment": EnvironmentConfig.model_validate_json(json.dumps(environment)),
        "policy": Named.model_validate(recipe["policy"]),
        "columns": (column,),
        "tasks": {column: tuple(recipe["tasks"])} if recipe["tasks"] is not None else {},
        "unseen": {column: tuple(recipe["unseen"])} if "unseen" in recipe else {},
        "task_suites": {column: recipe["task_suite"]} if "task_suite" in recipe else {},
        "seeds": (run.seed,),
    }
    return suite.model_copy(update=changes)


def one_slot(suite: Suite) -> Suite:
    """Change a suite's runtime to one environment: in the process, or in one worker if the suite has workers."""
    changes = {"slots": 1, "workers": min(suite.runtime.workers, 1), "environments": 1}
    return suite.model_copy(update={"runtime": suite.runtime.model_copy(update=changes)})


_strategies: dict[str, Strategy] = {}  # one a process: processes connect to each other once


def _open_strategy(suite: Suite, catalog: Catalog) -> Strategy:
    key = digest(suite.strategy.model_dump())
    if key not in _strategies:
        entry = catalog.strategy(suite.strategy.name)
        catalog.require(entry)
        _strategies[key] = entries.load(entry.make)(make_options(entry.options, suite.strategy.options, "strategy"))
    return _strategies[key]


def _check_tasks(spec: EnvironmentSpec, tasks: tuple[int, ...], key: str) -> tuple[int, ...]:
    """Raise a `UserError` if a suite names a task that the environment does not have."""
    wrong = [task for task in tasks if not 0 <= task < len(spec.tasks)]
    if wrong:
        raise UserError(f"{key}: {wrong[0]}: {spec.suite} has tasks 0-{len(spec.tasks) - 1}")
    return tasks


def start_ranges(suite: Suite, spec: EnvironmentSpec) -> dict[str, tuple[int, int]]:
    """Return the half-open range of start indices of each split: the environment's, or the one that the suite names."""
    named = {split: (first, last + 1) for split, (first, last) in named_starts(suite.environment).items()}
    ranges = dict(spec.splits) | named
    held_out = ranges["held-out"]
    for split in ("demonstration", "training"):
        if max(held_out[0], ranges[split][0]) < min(held_out[1], ranges[split][1]):
            raise UserError(
                f"environment.starts: held-out {held_out[0]}-{held_out[1] - 1} overlaps {split} "
                f"{ranges[split][0]}-{ranges[split][1] - 1}. Held-out starts must not be trained on."
            )
    return ranges


def check_starts(suite: Suite, spec: EnvironmentSpec) -> None:
    """Raise a `UserError` if an evaluation or curve asks for more starts a task than the environment has.

    Extra evaluations with environment options or a task suite of their own are checked when they begin.
    """
    ranges = {split: (first, stop - 1) for split, (first, stop) in start_ranges(suite, spec).items()}
    raise_errors(as_dict(suite), too_few_starts(suite, ranges, extras=False), location=suite.name)
