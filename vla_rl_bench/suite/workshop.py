"""What a run works with, and the stages that work with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from vla_rl_bench import entries, events, seeding
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.checks import too_few_starts
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.config.schema import MAIN, UNSEEN, CurveConfig, RlConfig, SftConfig, Suite, sampling_name
from vla_rl_bench.config.yaml_file import raise_errors
from vla_rl_bench.engine import checkpoint, demonstrations, sft
from vla_rl_bench.engine.distributed import ranks_of
from vla_rl_bench.engine.evaluate import Evaluation, evaluate, successes
from vla_rl_bench.engine.hooks import Event, RunHooks
from vla_rl_bench.engine.training import LossFunctions, Training, TrainingStarts
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import Strategy, TokenPolicy
from vla_rl_bench.options import make_options
from vla_rl_bench.records.provenance import environment_summary, versions
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.actor import make_policy
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.suite.evaluations import PlannedEvaluation, missing_evaluations
from vla_rl_bench.suite.job import RunJob, run_path
from vla_rl_bench.suite.plan import digest
from vla_rl_bench.suite.progress import Report
from vla_rl_bench.types import SPLITS, Demonstration, EnvironmentSpec


class RunSession:
    """What a run works with: its environment pool, its policy, its tricks; opened when first needed."""

    def __init__(self, job: RunJob, catalog: Catalog, report: Report) -> None:
        self.job, self.catalog = job, catalog
        self.folder = job.run_folder
        self.environment = catalog.environment(job.suite.environment.name)
        catalog.require(self.environment)
        self.policy_entry = catalog.policy(job.suite.policy.name)
        catalog.require(self.policy_entry)
        self.strategy = open_strategy(job.suite, catalog)
        self.ranks = ranks_of(self.strategy)
        self._report = report
        self._pools: dict[str, Pool] = {}
        self._contract: EnvironmentSpec | None = None
        self._trained: TokenPolicy | None = None
        tricks = job.arm.rl.tricks if job.arm.rl else ()
        self.hooks = RunHooks(
            [make_options(catalog.trick(one.name).trick, one.options, one.name) for one in tricks],
            [make_options(catalog.tracker(one.name).tracker, one.options, one.name) for one in job.suite.trackers],
        )

    def report(self, stage: str, done: int, total: int) -> None:
        self._report(self.job.run.id, stage, done, total)

    def notify(self, event: Event) -> None:
        """Tell the observers, once for all ranks."""
        if self.ranks.main:
            self.hooks.notify(event)

    # -- the environment

    def pool(self, changed: Mapping[str, Any] | None = None, task_suite: str | None = None) -> Pool:
        """The pool of the run's environment, or of the same with some options or the task suite changed.

        One at a time: a simulator's workers hold gigabytes each.
        """
        changed = dict(changed or {})
        key = digest([changed, task_suite])
        if key not in self._pools:
            self.close()
            self.report("starting the environment", 0, 1)
            config, runtime = self.job.suite.environment, self.job.suite.runtime
            options = make_options(self.environment.options, config.options | changed, config.name)
            self._pools[key] = open_pool(
                self.environment,
                task_suite or self.job.suite.task_suite(self.job.run.column),
                options,
                slots=runtime.slots,
                workers=runtime.workers,
                environments=runtime.environments,
                forward_rows=runtime.forward_rows,
                deterministic=runtime.deterministic,
                python=config.python,
            )
        return self._pools[key]

    @property
    def contract(self) -> EnvironmentSpec:
        """What the run's environment declares; asked of a worker once."""
        if self._contract is None:
            self._contract = self.pool().contract
        return self._contract

    def tasks(self, contract: EnvironmentSpec) -> tuple[int, ...]:
        """What the run demonstrates, trains and is evaluated on: all but the unseen tasks."""
        column, unseen = self.job.run.column, self.unseen(contract)
        if column in self.job.suite.tasks:
            return _of(contract, self.job.suite.tasks[column], f"tasks.{column}")
        seen = tuple(task for task in range(len(contract.tasks)) if task not in unseen)
        if not seen:
            raise UserError(f"unseen.{column}: names every task of {contract.suite}; leave some to train on")
        return seen

    def unseen(self, contract: EnvironmentSpec) -> tuple[int, ...]:
        column = self.job.run.column
        return _of(contract, self.job.suite.unseen.get(column, ()), f"unseen.{column}")

    def bounds(self, contract: EnvironmentSpec, split: str) -> tuple[int, int]:
        return splits(self.job.suite, contract)[split]

    # -- the policy

    def new_policy(self) -> TokenPolicy:
        config = self.job.suite.policy
        options = make_options(self.policy_entry.options, config.options, config.name)
        return make_policy(self.policy_entry, self.contract, options, seeding.integer("policy", self.job.run.seed))

    def trained_policy(self) -> TokenPolicy | None:
        """The run's policy, ready to act, read once; None: the environment's expert acts."""
        if self._trained is None and not self.policy_entry.demonstrates:
            policy = self.new_policy()
            checkpoint.load_policy(self.folder.policy_path, policy)  # type: ignore[arg-type]
            self._trained = self.strategy.place(policy)
        return self._trained

    # -- the stages

    def train(self) -> None:
        if self.ranks.broadcast(self.folder.policy_path.exists()):
            return
        policy = self.new_policy()
        if self.job.run.parent:
            parent = RunFolder(run_path(self.job.folder, self.job.run.parent))
            checkpoint.load_policy(parent.policy_path, policy)  # type: ignore[arg-type]
        state = checkpoint.trained_state(policy)  # type: ignore[arg-type]
        if self.job.arm.sft:
            state = self._sft(policy, self.job.arm.sft)
            if self.job.arm.rl:  # another optimiser; the policy may lie in pieces with the first one
                policy = self.new_policy()
                self._adopt(policy, state)
        if self.job.arm.rl:
            state = self._rl(policy, self.job.arm.rl)
        if self.ranks.main:
            checkpoint.save_state(self.folder.policy_path, state)
            for stage in ("sft", "rl"):
                checkpoint.delete(self.folder.checkpoint_path(stage))
        self.ranks.broadcast(None)  # nobody goes on before the policy is there

    def _adopt(self, policy: TokenPolicy, state: dict[str, Tensor]) -> None:
        whole = self.ranks.broadcast(state)
        checkpoint.load_trained_state(policy, whole, self.folder.path)  # type: ignore[arg-type]

    def _sft(self, policy: TokenPolicy, config: SftConfig) -> dict[str, Tensor]:
        with self.timed("sft_seconds"):
            shown = self.demonstrations()
            self.folder.update({"demonstration_events": demonstrations.event_counts(shown)})
            windows = sft.Windows(shown, self.contract, policy)
            trainer = self.strategy.prepare(policy, weight_decay=config.weight_decay, grad_clip=config.grad_clip)
            curve = sft.Curve(self.pool(), self.folder, self.curve(config.curve)) if config.curve else None
            sft.fine_tune(
                trainer,
                windows,
                config,
                self.job.run.seed,
                self.ranks,
                self.folder.checkpoint_path("sft"),
                lambda done, total: self.report("SFT", done, total),
                curve,
            )
            return trainer.trained_state()

    def demonstrations(self) -> list[Demonstration]:
        """From the suite's shared folder; made first if they are not there."""
        config = self.job.arm.demonstrations
        per_task = config.per_task if config else 0
        if config and config.source:
            return self._own_demonstrations(Path(config.source), per_task)
        path = self.demonstration_store(per_task)
        if self.ranks.main and not path.exists():
            with self.timed("demonstration_seconds"):
                self.build_demonstrations(path, per_task)
        self.ranks.broadcast(None)  # the others wait for the file
        self.folder.update({"demonstrations": path.name})
        found = demonstrations.load(path)
        demonstrations.check_finite(found, self.contract, path)
        return found

    def demonstration_store(self, per_task: int) -> Path:
        """Where the demonstrations are that the run asks for, or will be."""
        named = ("environment", "column", "tasks", "seed", "task_suite", "unseen")
        recipe = {name: self.job.run.recipe[name] for name in named if name in self.job.run.recipe}
        key = digest([recipe, per_task, self.contract.protocol, *(["unseen"] if self._shows_unseen else [])])
        return self.job.folder / "demonstrations" / f"{self.job.run.column}-s{self.job.run.seed}-{key}.npz"

    def build_demonstrations(self, path: Path, per_task: int) -> None:
        """Make the store, or the rest of it."""
        contract = self.contract
        demonstrations.build(
            path,
            self.pool(),
            self.bounds(contract, "demonstration"),
            self.demonstrated(contract),
            per_task,
            self.job.run.seed,
            lambda done, total: self.report("demonstrations", done, total),
        )

    @property
    def _shows_unseen(self) -> bool:
        return bool(self.job.arm.demonstrations and self.job.arm.demonstrations.unseen)

    def demonstrated(self, contract: EnvironmentSpec) -> tuple[int, ...]:
        """The tasks of the run's demonstrations: those it trains on, and the unseen ones where the arm wants them."""
        return (*self.tasks(contract), *(self.unseen(contract) if self._shows_unseen else ()))

    def _own_demonstrations(self, source: Path, per_task: int) -> list[Demonstration]:
        """What people recorded themselves, read by the environment's plugin."""
        if self.environment.demonstrations is None:
            raise UserError(
                f"demonstrations.source: environment `{self.environment.name}` reads no files; leave it out"
            )
        if not source.exists():
            raise UserError(f"demonstrations.source: there is no {source}")
        read = entries.load(self.environment.demonstrations)
        config, contract = self.job.suite.environment, self.contract
        options = make_options(self.environment.options, config.options, config.name)
        with self.timed("demonstration_seconds"):
            found: list[Demonstration] = read(source, contract, self.demonstrated(contract), per_task, options)
            demonstrations.check_finite(found, contract, source)
        self.folder.update({"demonstrations": str(source)})
        return found

    def _rl(self, policy: TokenPolicy, config: RlConfig) -> dict[str, Tensor]:
        training = self.training(policy, config)
        algorithm = entries.load(self.catalog.algorithm(config.algorithm).train)
        with self.timed("rl_seconds"):
            algorithm(training)
            return training.trainer.trained_state()

    def training(self, policy: TokenPolicy, config: RlConfig) -> Training:
        """Make what an RL algorithm works with, the policy's optimizer included."""
        pool, objective = self.pool(), self.catalog.objective(config.objective)
        trainer = self.strategy.prepare(
            policy, betas=config.betas, weight_decay=config.weight_decay, grad_clip=config.grad_clip
        )
        start_range = self.bounds(pool.contract, "training")
        return Training(
            folder=self.folder,
            config=config,
            trainer=trainer,
            ranks=self.ranks,
            pool=pool,
            hooks=self.hooks,
            functions=LossFunctions(
                advantage=entries.load(self.catalog.advantage(config.advantage).function),
                objective=entries.load(objective.function),
                clipped_tokens=entries.load(objective.clipped_tokens) if objective.clipped_tokens else None,
            ),
            starts=TrainingStarts(self.tasks(pool.contract), start_range, self.job.run.seed),
            curve=self.curve(config.curve) if config.curve else (),
            progress=self.report,
            precision=str(self.strategy.describe().get("precision", "float32")),
        )

    def curve(self, config: CurveConfig) -> tuple[Evaluation, ...]:
        """What is evaluated while training: the tasks that are trained on, and the unseen ones."""
        contract, seed = self.contract, self.job.run.seed
        bounds = self.bounds(contract, self.job.suite.evaluation.starts)
        asked = ((MAIN, self.tasks(contract)), (UNSEEN, self.unseen(contract)))
        return tuple(Evaluation(name, "greedy", tasks, bounds, config.per_task, seed) for name, tasks in asked if tasks)

    def evaluate(self) -> None:
        """Every evaluation that the record does not vouch for; each is all there or not at all."""
        suite, column = self.job.suite, self.job.run.column
        missing = self.ranks.broadcast(missing_evaluations(suite, column, self.folder.read(), self.job.limit))
        vouched = set(self.folder.read().get("evaluations", {})) - {f"{one.name}/{name}" for one, name in missing}
        self.folder.keep_episodes(
            lambda r: r["iteration"] is not None or f"{r['evaluation']}/{r['sampling']}" in vouched,
        )
        for planned, sampling in missing:
            with self.timed("evaluation_seconds"):
                self._evaluate(planned, sampling)

    def _evaluate(self, planned: PlannedEvaluation, sampling: str) -> None:
        name, config = planned.name, planned.config
        policy = self.trained_policy()  # before another pool: the workshop keeps one open
        pool = self.pool(planned.options, planned.task_suite)
        chosen = next(one for one in config.sampling if sampling_name(one) == sampling)
        per_task = config.per_task if self.job.limit is None else min(config.per_task, self.job.limit)
        bounds = self.bounds(pool.contract, config.starts)
        tasks = self.unseen(pool.contract) if planned.unseen else self.tasks(pool.contract)
        records = evaluate(
            pool,
            policy,
            Evaluation(name, chosen, tasks, bounds, per_task, self.job.run.seed),
            self.ranks,
            progress=lambda done, total: self.report(f"evaluation {name} {sampling}", done, total),
        )
        self.folder.add_episodes(records)
        entry = {
            "key": planned.key(sampling, self.job.limit),
            "starts": config.starts,
            "protocol": pool.contract.protocol,
            "successes": successes(records),
            "episodes": len(records),
        }
        self.folder.update({"evaluations": self.folder.read().get("evaluations", {}) | {f"{name}/{sampling}": entry}})
        self.notify(events.EvaluationEnd(self.job.run.id, None, sampling, successes(records), len(records), name))

    # -- the record

    def identity(self) -> dict[str, Any]:
        """What ``run.json`` says of the run, its place in the suite and what it ran on."""
        run, contract = self.job.run, self.contract
        before = self.folder.read().get("protocol", contract.protocol)
        if before != contract.protocol:
            raise UserError(
                f"{self.folder.path}: begun under protocol {before}, and what is installed now is {contract.protocol}. "
                "Results of two protocols do not mix: give another --out, or install what it was begun with."
            )
        check_starts(self.job.suite, contract)
        ranges = splits(self.job.suite, contract)
        return {
            "id": run.id,
            "suite": self.job.suite.name,
            "arm": run.arm,
            "arm_title": self.job.arm.title or run.arm,
            "column": run.column,
            "seed": run.seed,
            "parent": run.parent,
            "limited": self.job.limit is not None,
            "recipe": dict(run.recipe),
            "protocol": contract.protocol,
            "comparable": contract.comparable,
            "starts": {name: list(bounds) for name, bounds in ranges.items()},
            "environment": environment_summary(contract),
            "strategy": self.strategy.describe(),
            "runtime": self.job.suite.runtime.model_dump(mode="json"),
            "versions": versions(self.policy_entry.requires) | dict(contract.versions),
        }

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the wall seconds of a stage to the record, also over interruptions that were not violent."""
        started = time.time()
        try:
            yield
        finally:
            timings = self.folder.read().get("timings", {})
            timings[name] = round(timings.get(name, 0.0) + time.time() - started, 1)
            self.folder.update({"timings": timings})

    def close(self) -> None:
        while self._pools:
            self._pools.popitem()[1].close()


_strategies: dict[str, Strategy] = {}  # made once a process: processes find each other once


def open_strategy(suite: Suite, catalog: Catalog) -> Strategy:
    """The suite's training strategy."""
    key = digest(suite.strategy.model_dump())
    if key not in _strategies:
        entry = catalog.strategy(suite.strategy.name)
        catalog.require(entry)
        _strategies[key] = entries.load(entry.make)(make_options(entry.options, suite.strategy.options, "strategy"))
    return _strategies[key]


def _of(contract: EnvironmentSpec, chosen: tuple[int, ...], key: str) -> tuple[int, ...]:
    """The tasks that a suite names, where the environment has them."""
    wrong = [task for task in chosen if not 0 <= task < len(contract.tasks)]
    if wrong:
        raise UserError(f"{key}: {wrong[0]}: {contract.suite} has tasks 0-{len(contract.tasks) - 1}")
    return chosen


def splits(suite: Suite, contract: EnvironmentSpec) -> dict[str, tuple[int, int]]:
    """The environment's own ranges of start indices, or those that the suite names; half-open."""
    named = suite.environment.starts.model_dump(by_alias=True)
    found = dict(contract.splits)
    for split in SPLITS:
        if named[split] is not None:
            first, last = (int(part) for part in named[split].split("-"))
            found[split] = (first, last + 1)
    held = found["held-out"]
    for split in ("demonstration", "training"):
        if max(held[0], found[split][0]) < min(held[1], found[split][1]):
            raise UserError(
                f"environment.starts: held-out {held[0]}-{held[1] - 1} overlaps {split} "
                f"{found[split][0]}-{found[split][1] - 1}. Held-out starts must not be trained on."
            )
    return found


def check_starts(suite: Suite, contract: EnvironmentSpec) -> None:
    """Raise a `UserError` if an evaluation or curve asks for more starts a task than the environment has.

    Extra evaluations with environment options or a task suite of their own are checked when they begin.
    """
    ranges = {split: (first, stop - 1) for split, (first, stop) in splits(suite, contract).items()}
    raise_errors(as_dict(suite), too_few_starts(suite, ranges, extras=False), location=suite.name)
