"""Where an arm's time goes: a few iterations of its RL in a temporary folder, as a table and a timeline."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.engine import checkpoint, grpo
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.engine.iteration_times import SHOWN
from vla_rl_bench.errors import UserError
from vla_rl_bench.pictures.timeline import draw_timeline
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.timing import Span, SpanRecorder
from vla_rl_bench.suite.job import RunJob, run_path
from vla_rl_bench.suite.plan import Run, plan
from vla_rl_bench.suite.progress import Report
from vla_rl_bench.suite.workshop import RunSession


@dataclass(frozen=True)
class Profile:
    """What was measured of a run.  metrics: an iteration each, as in ``metrics.jsonl``.  trained: whether it began with
    the trained policy of the run that it starts from."""

    suite: str
    run: Run
    metrics: tuple[dict[str, Any], ...]
    spans: tuple[Span, ...]
    trained: bool

    @property
    def wall(self) -> float:
        """Seconds of rollouts and updates."""
        return self.total("seconds", "rollout_wall") + self.total("seconds", "update")

    @property
    def utilisation(self) -> float:
        """Of the rollouts: work in CPU seconds by cores x wall."""
        walls = [one["seconds"]["rollout_wall"] for one in self.metrics]
        busy: float = sum(one["utilisation"] * wall for one, wall in zip(self.metrics, walls, strict=True))
        return busy / self.total("seconds", "rollout_wall")

    def total(self, kind: str, name: str) -> float:
        """kind: `seconds` or `cpu_seconds`; summed over the iterations."""
        return sum(float(one[kind].get(name, 0.0)) for one in self.metrics)


def profile(
    suite_path: str | Path,
    overrides: Sequence[str],
    *,
    iterations: int,
    picture: Path,
    runs: Path,
    report: Report,
) -> Profile:
    """Profile the suite's first arm with RL, on its first column and seed, and draw the picture.

    runs: where a trained policy to begin with is looked for, as `run` left it; nothing is written there.
    """
    if rank_and_world_size()[1] > 1:
        raise UserError("profile: runs in one process; start it without torchrun")
    catalog = discover()
    suite = load_suite(suite_path, overrides, catalog)
    run = _first_with_rl(suite, plan(suite, catalog))
    parent = _parent(run, runs / suite.name)
    if run.parent and parent is None:
        suite = _keeping_every_group(suite, catalog)
    with tempfile.TemporaryDirectory(prefix="vla-rl-bench-") as folder:
        found = _measure(RunJob(suite, run, Path(folder), None), catalog, iterations, parent, report)
    draw_timeline(found.spans, picture, title=_title(found), subtitle=_subtitle(found))
    return found


def _first_with_rl(suite: Suite, runs: Sequence[Run]) -> Run:
    arms = {arm.name for arm in suite.arms if arm.rl}
    for run in runs:
        if run.arm in arms:
            return run
    raise UserError(f"profile: no arm of suite `{suite.name}` has `rl`; there is nothing to roll out")


def _measure(job: RunJob, catalog: Catalog, iterations: int, parent: Path | None, report: Report) -> Profile:
    config = job.arm.rl
    assert config is not None
    torch.set_num_threads(job.suite.runtime.threads)
    workshop = RunSession(job, catalog, report)
    try:
        policy = workshop.new_policy()
        if parent is not None:
            checkpoint.load_policy(parent, policy)  # type: ignore[arg-type]
        job.run_folder.path.mkdir(parents=True)
        training = workshop.training(policy, config.model_copy(update={"curve": None}))
        clock = training.pool.clock = SpanRecorder()
        metrics = []
        for iteration in range(1, iterations + 1):
            metrics.append(grpo.iterate(training, iteration))
            report(job.run.id, "profile", iteration, iterations)
        return Profile(job.suite.name, job.run, tuple(metrics), tuple(clock.spans), parent is not None)
    finally:
        workshop.close()


def _parent(run: Run, runs: Path) -> Path | None:
    """The trained policy of the run that this one starts from, if it is there."""
    path = RunFolder(run_path(runs, run.parent)).policy_path if run.parent else None
    return path if path and path.exists() else None


def _keeping_every_group(suite: Suite, catalog: Catalog) -> Suite:
    """Without the tricks that reject groups: those of an untrained policy all fail, and there would be no update."""

    def without(arm: ArmConfig) -> ArmConfig:
        if arm.rl is None:
            return arm
        tricks = tuple(one for one in arm.rl.tricks if not hasattr(catalog.trick(one.name).trick, "keep_group"))
        return arm.model_copy(update={"rl": arm.rl.model_copy(update={"tricks": tricks})})

    return suite.model_copy(update={"arms": tuple(without(arm) for arm in suite.arms)})


def _title(found: Profile) -> str:
    iterations = f"{len(found.metrics)} iteration{'s' if len(found.metrics) > 1 else ''}"
    return (
        f"{found.suite}: {found.run.arm} on {found.run.column}, {iterations}, {found.wall:.1f} s: "
        f"rollouts {found.utilisation:.0%} busy"
    )


def _subtitle(found: Profile) -> str:
    chunks = sum(one["chunks"] for one in found.metrics)
    drawn, kept = (sum(one[name] for one in found.metrics) for name in ("drawn", "kept"))
    wasted = sum(one["wasted_chunks"] for one in found.metrics)
    policy = "the trained policy" if found.trained else "an untrained policy"
    return (
        f"{policy}; {chunks} chunks, {chunks / found.wall:.0f} a second; kept {kept} of {drawn} groups; "
        f"{wasted} chunks wasted; {found.metrics[0]['cores']} core(s)"
    )


def table(found: Profile) -> str:
    """Where the time went, in lines: wall seconds summed over workers, CPU seconds, the share of cores x wall."""
    capacity = found.metrics[0]["cores"] * found.wall
    lines = [_title(found), _subtitle(found), "", f"{'activity':<12}{'seconds':>10}{'CPU s':>10}{'share':>8}"]
    for name in SHOWN:
        cpu = found.total("cpu_seconds", name)
        shown = (f"{cpu:>10.2f}", f"{cpu / capacity:>8.1%}") if name != "idle" else ("", "")
        lines.append(f"{name:<12}{found.total('seconds', name):>10.2f}{''.join(shown)}")
    lines += ["", "seconds: summed over workers; idle: of workers, or of this process where it holds the environment"]
    lines += ["share: CPU seconds of cores x wall seconds"]
    if not found.trained and found.run.parent:
        lines += [f"{found.run.parent} has not been run: the policy is as it was made, and every group is kept"]
    return "\n".join(lines)
