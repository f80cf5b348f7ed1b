"""Profile of an arm: a few iterations of its RL in a temporary folder, as a Chrome trace and a table of activities."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vla_rl_bench import entries
from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_text
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.timing import TRAINER, Span, SpanRecorder
from vla_rl_bench.suite.plan import Run, RunJob, plan, run_path
from vla_rl_bench.suite.progress import Reporter
from vla_rl_bench.suite.session import RunSession
from vla_rl_bench.suite.stages import make_training
from vla_rl_bench.text_table import text_lines


@dataclass(frozen=True)
class Profile:
    """Measurements of a run."""

    suite: str
    run: Run
    metrics: tuple[dict[str, Any], ...]  # one for each iteration, as in ``metrics.jsonl``
    spans: tuple[Span, ...]
    trained: bool  # it began with the trained policy of the run that it starts from


def profile(
    suite_path: str | Path,
    overrides: Sequence[str],
    *,
    iterations: int,
    runs: Path,
    reporter: Reporter,
) -> Profile:
    """Profile the suite's first arm with RL, on its first column and seed.

    Args:
        suite_path: The suite file.
        overrides: Changes to it.
        iterations: Number of RL iterations.
        runs: Folder of runs, where a trained policy to begin with is looked for; nothing is written there.
        reporter: Called with the progress.
    """
    if rank_and_world_size()[1] > 1:
        raise UserError("profile: runs in one process; start it without torchrun")
    catalog = discover()
    suite = load_suite(suite_path, overrides, catalog)
    run = _first_with_rl(suite, plan(suite, catalog))
    parent = _parent(run, runs / suite.name)
    if run.parent and parent is None:
        suite = _without_group_filters(suite, catalog)
    with tempfile.TemporaryDirectory(prefix="vla-rl-bench-") as folder:
        return _measure(RunJob(suite, run, Path(folder)), catalog, iterations, parent, reporter)


def _first_with_rl(suite: Suite, runs: Sequence[Run]) -> Run:
    arms = {arm.name for arm in suite.arms if arm.rl}
    for run in runs:
        if run.arm in arms:
            return run
    raise UserError(f"profile: no arm of suite `{suite.name}` has `rl`; there is nothing to roll out")


def _measure(job: RunJob, catalog: Catalog, iterations: int, parent: Path | None, reporter: Reporter) -> Profile:
    config = job.arm.rl
    assert config is not None
    torch.set_num_threads(job.suite.runtime.threads)
    with RunSession(job, catalog, reporter) as session:
        policy = session.new_policy()
        if parent is not None:
            checkpoint.load_policy(parent, policy)  # type: ignore[arg-type]
        job.run_folder.path.mkdir(parents=True)
        changes = {"curve": None, "iterations": iterations, "checkpoint_every": iterations}
        training = make_training(session, policy, config.model_copy(update=changes))
        clock = training.pool.clock = SpanRecorder()
        entries.load(catalog.algorithm(config.algorithm).train)(training)
        metrics = tuple(job.run_folder.metrics())
        return Profile(job.suite.name, job.run, metrics, tuple(clock.spans), parent is not None)


def _parent(run: Run, runs: Path) -> Path | None:
    """Return the trained policy of the run that this one starts from, or None."""
    path = RunFolder(run_path(runs, run.parent)).policy_path if run.parent else None
    return path if path and path.exists() else None


def _without_group_filters(suite: Suite, catalog: Catalog) -> Suite:
    """Remove the tricks that reject groups: those of an untrained policy all fail, and there would be no update."""

    def change(arm: ArmConfig) -> ArmConfig:
        if arm.rl is None:
            return arm
        tricks = tuple(trick for trick in arm.rl.tricks if not hasattr(catalog.trick(trick.name).trick, "keep_group"))
        return arm.model_copy(update={"rl": arm.rl.model_copy(update={"tricks": tricks})})

    return suite.model_copy(update={"arms": tuple(change(arm) for arm in suite.arms)})


def save(path: Path, spans: Sequence[Span]) -> None:
    """Write the spans as Chrome trace JSON, which chrome://tracing and ui.perfetto.dev open."""
    write_text(path, json.dumps({"traceEvents": list(_events(spans)), "displayTimeUnit": "ms"}) + "\n")


def _events(spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
    """Yield a name for every process and a complete event for every span, in microseconds.

    Starts and ends are rounded, not durations, so spans that follow each other never overlap.
    """
    for process in sorted({span.process for span in spans}):
        name = "trainer" if process == TRAINER else f"worker {process - 1}"
        yield {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": process, "tid": 0, "args": {"sort_index": process}}
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        start, end = round(span.start * 1e6), round(span.end * 1e6)
        names = {"name": span.activity, "cat": span.activity}
        yield {"ph": "X", **names, "pid": span.process, "tid": 0, "ts": start, "dur": end - start}


def summary(profile: Profile) -> str:
    """Describe the run and the share of time of every activity, as text."""
    count, chunks = len(profile.metrics), sum(iteration["chunks"] for iteration in profile.metrics)
    processes = len({span.process for span in profile.spans})
    wall = max(span.end for span in profile.spans) - min(span.start for span in profile.spans)
    seconds: dict[str, float] = defaultdict(float)
    for span in profile.spans:
        seconds[span.activity] += span.end - span.start
    seconds["waiting"] = processes * wall - sum(seconds.values())
    lines = [
        f"{profile.suite}: {profile.run.arm} on {profile.run.column}, {count} iteration{'s' if count > 1 else ''} in "
        f"{wall:.1f} s: {chunks} chunks, {processes} process{'es' if processes > 1 else ''}",
        "",
    ]
    rows = [
        (name, f"{total:.2f}", f"{total / (processes * wall):.1%}")
        for name, total in sorted(seconds.items(), key=lambda entry: -entry[1])
    ]
    lines += text_lines([("activity", "seconds", "share"), *rows])
    if profile.run.parent and not profile.trained:
        lines += ["", f"{profile.run.parent} has not been run: the policy is untrained, and every group is kept"]
    return "\n".join(lines)
