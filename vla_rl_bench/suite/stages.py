"""The stages of a run: demonstrations, SFT, RL and evaluation, each resumed after an interruption."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from vla_rl_bench import entries, events
from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import GREEDY, MAIN, UNSEEN, CurveConfig, RlConfig, SftConfig
from vla_rl_bench.engine import checkpoint, demonstrations, sft
from vla_rl_bench.engine.evaluate import Evaluation, evaluate, successes
from vla_rl_bench.engine.training import LossFunctions, Training, TrainingStarts
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.records.provenance import environment_summary, versions
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.plan import MissingEvaluation, RunJob, digest, missing_evaluations, plan, run_path
from vla_rl_bench.suite.progress import COMPLETE, Display, Report, Reporter
from vla_rl_bench.suite.session import RunSession, check_starts, start_ranges
from vla_rl_bench.types import Demonstration, EnvironmentSpec


def execute(job: RunJob, catalog: Catalog, reporter: Reporter) -> None:
    """Train and evaluate a run, or resume it; do nothing if it is complete."""
    torch.set_num_threads(job.suite.runtime.threads)
    folder = job.run_folder
    with folder.lock(), RunSession(job, catalog, reporter) as session:
        if session.ranks.broadcast(job.complete):
            return
        folder.update(run_record(session) | {"status": "running"})
        session.notify(events.RunStart(job.run.id, folder.path, dict(job.run.recipe)))
        started = time.time()
        try:
            train_run(session)
            evaluate_run(session)
        except BaseException as error:
            folder.update({"status": "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"})
            session.notify(events.RunEnd(job.run.id, folder.path, "failed"))
            raise
        observer_errors = list(chain.from_iterable(session.ranks.all_gather(session.hooks.observer_errors)))
        timings = folder.read().get("timings", {})
        timings["wall_seconds"] = round(timings.get("wall_seconds", 0.0) + time.time() - started, 1)
        folder.update({"status": "complete", "timings": timings, "observer_errors": observer_errors})
        session.notify(events.RunEnd(job.run.id, folder.path, "complete"))


def run_record(session: RunSession) -> dict[str, Any]:
    """Describe a run, its place in the suite and its environment, as ``run.json`` records them."""
    job, run, suite, spec = session.job, session.run, session.suite, session.spec
    recorded_protocol = session.folder.read().get("protocol", spec.protocol)
    if recorded_protocol != spec.protocol:
        raise UserError(
            f"{session.folder.path}: begun under protocol {recorded_protocol}, and {spec.protocol} is installed now. "
            "Results of two protocols do not mix: give another --out, or install what it was begun with."
        )
    check_starts(suite, spec)
    return {
        "id": run.id,
        "suite": suite.name,
        "arm": run.arm,
        "arm_title": job.arm.title or run.arm,
        "column": run.column,
        "seed": run.seed,
        "parent": run.parent,
        "limited": job.limit is not None,
        "recipe": dict(run.recipe),
        "protocol": spec.protocol,
        "comparable": spec.comparable,
        "starts": {split: list(start_range) for split, start_range in start_ranges(suite, spec).items()},
        "environment": environment_summary(spec),
        "strategy": session.strategy.describe(),
        "runtime": suite.runtime.model_dump(mode="json"),
        "versions": versions(session.policy_entry.requires) | dict(spec.versions),
    }


@contextmanager
def _timed(folder: RunFolder, name: str) -> Iterator[None]:
    """Add the wall time of a stage to the record, also if an exception interrupts it."""
    started = time.time()
    try:
        yield
    finally:
        timings = folder.read().get("timings", {})
        timings[name] = round(timings.get(name, 0.0) + time.time() - started, 1)
        folder.update({"timings": timings})


# -- training


def train_run(session: RunSession) -> None:
    """Train the policy of a run, from its parent's policy if it has one, and save it."""
    folder, ranks, arm = session.folder, session.ranks, session.job.arm
    if ranks.broadcast(folder.policy_path.exists()):
        return
    policy = session.new_policy()
    if session.run.parent:
        parent = RunFolder(run_path(session.job.folder, session.run.parent))
        checkpoint.load_policy(parent.policy_path, policy)  # type: ignore[arg-type]
    state = checkpoint.trained_state(policy)  # type: ignore[arg-type]
    if arm.sft:
        state = _fine_tune(session, policy, arm.sft)
        if arm.rl:  # RL has its own optimizer, and the first one may have split the policy's weights
            policy = session.new_policy()
            state = ranks.broadcast(state)
            checkpoint.load_trained_state(policy, state, folder.path)  # type: ignore[arg-type]
    if arm.rl:
        training = make_training(session, policy, arm.rl)
        algorithm = entries.load(session.catalog.algorithm(arm.rl.algorithm).train)
        with _timed(folder, "rl_seconds"):
            algorithm(training)
            state = training.trainer.trained_state()
    if ranks.main:
        checkpoint.save_state(folder.policy_path, state)
        for stage in ("sft", "rl"):
            checkpoint.delete(folder.checkpoint_path(stage))
    ranks.broadcast(None)  # wait until the policy is saved


def _fine_tune(session: RunSession, policy: TokenPolicy, config: SftConfig) -> dict[str, Tensor]:
    folder = session.folder
    with _timed(folder, "sft_seconds"):
        examples = load_demonstrations(session)
        folder.update({"demonstration_events": demonstrations.event_counts(examples)})
        windows = sft.Windows(examples, session.spec, policy)
        trainer = session.strategy.prepare(policy, weight_decay=config.weight_decay, grad_clip=config.grad_clip)
        sft.fine_tune(
            trainer,
            windows,
            config,
            session.run.seed,
            session.ranks,
            folder.checkpoint_path("sft"),
            lambda done, total: session.report("SFT", done, total),
            sft.Curve(session.pool(), folder, _curve(session, config.curve)) if config.curve else None,
        )
        return trainer.trained_state()


def make_training(session: RunSession, policy: TokenPolicy, config: RlConfig) -> Training:
    """Make the `Training` that an RL algorithm gets, the policy's optimizer included."""
    pool, catalog = session.pool(), session.catalog
    objective = catalog.objective(config.objective)
    trainer = session.strategy.prepare(
        policy, betas=config.betas, weight_decay=config.weight_decay, grad_clip=config.grad_clip
    )
    start_range = start_ranges(session.suite, session.spec)["training"]
    return Training(
        folder=session.folder,
        config=config,
        trainer=trainer,
        ranks=session.ranks,
        pool=pool,
        hooks=session.hooks,
        functions=LossFunctions(
            advantage=entries.load(catalog.advantage(config.advantage).function),
            objective=entries.load(objective.function),
            clipped_tokens=entries.load(objective.clipped_tokens) if objective.clipped_tokens else None,
        ),
        starts=TrainingStarts(session.tasks(session.spec), start_range, session.run.seed),
        curve=_curve(session, config.curve) if config.curve else (),
        progress=session.report,
        precision=str(session.strategy.describe().get("precision", "float32")),
    )


def _curve(session: RunSession, config: CurveConfig) -> tuple[Evaluation, ...]:
    """Plan the evaluations of a learning curve: on the tasks that are trained on, and on the unseen ones."""
    suite, spec, seed = session.suite, session.spec, session.run.seed
    start_range = start_ranges(suite, spec)[suite.evaluation.starts]
    tasks_by_name = {MAIN: session.tasks(spec), UNSEEN: session.unseen_tasks(spec)}
    return tuple(
        Evaluation(name, GREEDY, tasks, start_range, config.per_task, seed)
        for name, tasks in tasks_by_name.items()
        if tasks
    )


# -- demonstrations


def load_demonstrations(session: RunSession) -> list[Demonstration]:
    """Load the run's demonstrations: the user's, or the suite's store, which is built if it is missing."""
    config, folder = session.job.arm.demonstrations, session.folder
    per_task = config.per_task if config else 0
    if config and config.source:
        return _read_demonstrations(session, Path(config.source), per_task)
    path = demonstration_store(session)
    if session.ranks.main and not path.exists():
        with _timed(folder, "demonstration_seconds"):
            build_demonstrations(session, path)
    session.ranks.broadcast(None)  # wait for the file
    folder.update({"demonstrations": path.name})
    examples = demonstrations.load(path)
    demonstrations.check_finite(examples, session.spec, path)
    return examples


def demonstration_store(session: RunSession) -> Path:
    """Return the path of the run's demonstrations, built or not."""
    job, run, config = session.job, session.run, session.job.arm.demonstrations
    names = ("environment", "column", "tasks", "seed", "task_suite", "unseen")
    recipe = {name: run.recipe[name] for name in names if name in run.recipe}
    unseen = ["unseen"] if config and config.unseen else []
    key = digest([recipe, config.per_task if config else 0, session.spec.protocol, *unseen])
    return job.folder / "demonstrations" / f"{run.column}-s{run.seed}-{key}.npz"


def build_demonstrations(session: RunSession, path: Path) -> None:
    """Build the store of the run's demonstrations, or resume an interrupted build."""
    config = session.job.arm.demonstrations
    demonstrations.build(
        path,
        session.pool(),
        start_ranges(session.suite, session.spec)["demonstration"],
        _demonstrated_tasks(session, session.spec),
        config.per_task if config else 0,
        session.run.seed,
        lambda done, total: session.report("demonstrations", done, total),
    )


def _demonstrated_tasks(session: RunSession, spec: EnvironmentSpec) -> tuple[int, ...]:
    """Return the tasks that the run trains on and, if the arm says so, the unseen ones."""
    config = session.job.arm.demonstrations
    return (*session.tasks(spec), *(session.unseen_tasks(spec) if config and config.unseen else ()))


def _read_demonstrations(session: RunSession, source: Path, per_task: int) -> list[Demonstration]:
    """Read the user's own demonstrations with the environment's plugin."""
    environment, spec = session.environment, session.spec
    if environment.demonstrations is None:
        raise UserError(f"demonstrations.source: environment `{environment.name}` reads no files; leave it out")
    if not source.exists():
        raise UserError(f"demonstrations.source: there is no {source}")
    read = entries.load(environment.demonstrations)
    with _timed(session.folder, "demonstration_seconds"):
        tasks, options = _demonstrated_tasks(session, spec), session.environment_options()
        examples: list[Demonstration] = read(source, spec, tasks, per_task, options)
        demonstrations.check_finite(examples, spec, source)
    session.folder.update({"demonstrations": str(source)})
    return examples


def build_stores(suite_path: str | Path, overrides: Sequence[str], out: Path) -> list[Path]:
    """Build the demonstration stores of a suite's runs, without the runs, and return them in the order of the runs.

    Several runs may share a store; complete stores stay as they are.  An interrupted build is resumed by the next call,
    or by `run`.
    """
    catalog = discover()
    suite = load_suite(suite_path, overrides, catalog)
    jobs = [RunJob(suite, run, out / suite.name) for run in plan(suite, catalog)]
    jobs = [job for job in jobs if job.arm.demonstrations and job.arm.demonstrations.source is None]
    if not jobs:
        raise UserError(f"demonstrations: no arm of suite `{suite.name}` asks for demonstrations of an expert")
    stores: dict[Path, None] = {}
    with Display(len(jobs), Console(stderr=True)) as display:
        for job in jobs:
            with RunSession(job, catalog, display.report) as session:
                path = demonstration_store(session)
                build_demonstrations(session, path)
            stores[path] = None
            display.report(Report(job.run.id, COMPLETE, 1, 1))
    return list(stores)


# -- evaluation


def evaluate_run(session: RunSession) -> None:
    """Do every evaluation that the run's record lacks; each is recorded whole or not at all."""
    folder, job = session.folder, session.job
    missing = session.ranks.broadcast(missing_evaluations(job.suite, job.run.column, folder.read(), job.limit))
    recorded = set(folder.read().get("evaluations", {}))
    folder.keep_episodes(
        lambda r: r["iteration"] is not None or f"{r['evaluation']}/{r['sampling']}" in recorded,
    )
    for evaluation in missing:
        with _timed(folder, "evaluation_seconds"):
            _evaluate(session, evaluation)


def _evaluate(session: RunSession, missing: MissingEvaluation) -> None:
    planned, sampling, limit = missing.planned, missing.sampling, session.job.limit
    config = planned.config
    policy = session.trained_policy  # before another pool is opened: one is open at a time
    pool = session.pool(planned.options, planned.task_suite)
    spec = pool.contract
    per_task = config.per_task if limit is None else min(config.per_task, limit)
    start_range = start_ranges(session.suite, spec)[config.starts]
    tasks = session.unseen_tasks(spec) if planned.unseen else session.tasks(spec)
    records = evaluate(
        pool,
        policy,
        Evaluation(missing.name, planned.sampling(sampling), tasks, start_range, per_task, session.run.seed),
        session.ranks,
        progress=lambda done, total: session.report(f"evaluation {planned.name} {sampling}", done, total),
    )
    session.folder.add_episodes(records)
    entry = {
        "key": planned.key(sampling, limit),
        "starts": config.starts,
        "protocol": spec.protocol,
        "successes": successes(records),
        "episodes": len(records),
    }
    evaluations = session.folder.read().get("evaluations", {})
    session.folder.update({"evaluations": evaluations | {missing.record_key: entry}})
    counts = (successes(records), len(records))
    session.notify(events.EvaluationEnd(session.run.id, None, sampling, *counts, planned.name))
