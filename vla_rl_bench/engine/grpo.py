"""GRPO on success alone: roll out groups, keep what the tricks keep, one clipped pass, repeat (SimpleVLA-RL)."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vla_rl_bench import events, seeding
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.engine.collect import RolloutBatch, collect, training_start
from vla_rl_bench.engine.evaluate import Evaluation, evaluate, successes
from vla_rl_bench.engine.hooks import Event, RunHooks
from vla_rl_bench.engine.iteration_times import IterationTimer, summary
from vla_rl_bench.engine.memory import release_free_memory
from vla_rl_bench.engine.update import Batch, Objective, logprob_difference, measure_microbatch, pack, update
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.interfaces import Ranks, Trainer
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.rollout.timing import TRAINER
from vla_rl_bench.types import ClipRange, Group, SamplingParams

CHECKED_CHUNKS = 64  # of an iteration, by rl.check_logprobs
ROUNDING = {"float32": 1e-3, "bfloat16": 0.05}  # nats that two forwards of one policy may differ by, by precision
PREDICTED_FROM = 10  # iterations whose acceptance predicts the next one's
BASELINE_CLIP = ClipRange(0.2, 0.2)  # PPO's symmetric range: SimpleVLA-RL's baseline before "clip higher"


@dataclass
class GrpoState:
    """What one iteration leaves to the next, beside the policy.

    microbatch: as it was measured.  drawn: (groups kept, groups drawn) of the last iterations.  surplus: groups of the
    last iteration that serve in the next (`rl.reuse_surplus`); a run that resumes begins without.
    """

    microbatch: int | None = None
    drawn: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=PREDICTED_FROM))
    surplus: tuple[Group, ...] = ()

    @property
    def acceptance(self) -> float:
        """The share of groups that will be kept, as far as the last iterations tell; 1 before the first."""
        kept, drawn = (sum(one) for one in zip(*self.drawn, strict=True)) if self.drawn else (1, 1)
        return kept / drawn

    def resume(self, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Predict what the run would have predicted, had it not been interrupted."""
        self.drawn.extend((record["kept"], record["drawn"]) for record in metrics)

    def remember(self, config: RlConfig, batch: RolloutBatch) -> None:
        self.drawn.append((len(batch.groups), batch.drawn))
        if config.reuse_surplus:  # at least one group of a batch is always new
            self.surplus = batch.surplus[: config.groups - 1]


@dataclass(frozen=True)
class Training:
    """Everything a GRPO run needs.  tasks: indices; bounds: half-open range of training starts.

    clipped_tokens: as of an `ObjectiveEntry`; None: no `clip_fraction` is recorded.
    curve: what is evaluated while training.
    precision: of the forwards, as strategies name it.
    """

    run: str
    folder: RunFolder
    trainer: Trainer
    ranks: Ranks
    pool: Pool
    engine: RunHooks
    config: RlConfig
    advantage: Callable[[Tensor], Tensor]
    objective: Objective
    tasks: Sequence[int]
    bounds: tuple[int, int]
    seed: int
    curve: tuple[Evaluation, ...]
    progress: Callable[[str, int, int], None]
    clipped_tokens: Objective | None = None
    precision: str = "float32"
    standing: GrpoState = field(default_factory=GrpoState)

    def notify(self, event: Event) -> None:
        """Tell the observers, once for all ranks."""
        if self.ranks.main:
            self.engine.notify(event)


def train(training: Training) -> None:
    """Run, or resume, all iterations.  The policy is trained in place; each iteration ends with a checkpoint."""
    config = training.config
    path = training.folder.checkpoint_path("rl")
    done = training.trainer.load(path)
    _cut_to(training.folder, done)
    training.standing.resume(read_json_lines(training.folder.metrics_path))
    if done == 0:
        _curve_point(training, 0)
    for iteration in range(done + 1, config.iterations + 1):
        metrics = iterate(training, iteration)
        training.folder.add_metrics(metrics)
        training.notify(events.UpdateEnd(training.run, iteration, bool(metrics["skipped"]), _numbers(metrics)))
        if iteration % config.checkpoint_every == 0 or iteration == config.iterations:
            training.trainer.save(path, iteration)
            training.notify(events.CheckpointSaved(training.run, iteration, path))
        release_free_memory()
        training.progress(summary(metrics), iteration, config.iterations)


def _cut_to(folder: RunFolder, done: int) -> None:
    """Forget what was written after the checkpoint."""
    folder.keep_metrics(lambda record: record["iteration"] <= done)
    folder.cut_curve(done)


def iterate(training: Training, iteration: int) -> dict[str, Any]:
    """Roll out, update, evaluate where the curve wants a point -> what the iteration records."""
    watch = IterationTimer(training.pool)
    sampling = training.engine.sampling_params(iteration, SamplingParams(temperature=1.0))
    watch.read()
    with training.trainer.acting() as policy:
        actor = Actor(policy, sampling.temperature)
        batch = _roll_out(training, actor, iteration)
    watch.read()
    reused = training.standing.surplus
    with training.pool.clock.measure(TRAINER, "update"):
        learned = _learn(training, (*batch.groups, *reused), sampling.temperature, iteration)
    watch.read()
    training.standing.remember(training.config, batch)
    _curve_point(training, iteration)
    metrics = {
        "iteration": iteration,
        "rollout_success": batch.successes / batch.trajectories,
        "drawn": batch.drawn,
        "kept": len(batch.groups),
        "acceptance": len(batch.groups) / batch.drawn,
        "trajectories": batch.trajectories,
        "steps": batch.steps,
        "chunks": batch.chunks,
        "wasted_chunks": batch.wasted_chunks,
        "waste": batch.wasted_chunks / (batch.chunks + batch.wasted_chunks),
        "forwards": actor.forwards,
        "skipped": not batch.groups and not reused,
        "temperature": sampling.temperature,
        **learned,
        **watch.spent(actor, batch.chunks),
    }
    return metrics | ({"reused": len(reused)} if training.config.reuse_surplus else {})


def _roll_out(training: Training, actor: Actor, iteration: int) -> RolloutBatch:
    config, seed = training.config, training.seed
    draws = training.engine.draw_limit(iteration, 1.0)
    run, folder = training.run, training.folder.path
    batch = collect(
        training.pool,
        actor,
        training.engine,
        partial(training_start, training.tasks, training.bounds, seed, iteration),
        training.ranks,
        key=("rollout", seed, iteration),
        wanted=config.groups - len(training.standing.surplus),
        most=round(draws * config.groups),
        size=config.group_size,
        acceptance=training.standing.acceptance if config.overprovision else 1.0,
        on_group_end=lambda group: training.engine.notify(events.GroupEnd(run, folder, iteration, group, actor.policy)),
    )
    training.notify(
        events.RolloutEnd(run, folder, iteration, batch.drawn, len(batch.groups), batch.successes, batch.trajectories)
    )
    return batch


def _learn(training: Training, groups: Sequence[Group], temperature: float, iteration: int) -> dict[str, float]:
    """The update on what was kept; nothing when nothing was."""
    clip = training.engine.clip_range(iteration, BASELINE_CLIP)
    if not groups:
        return {"clip_low": clip.low, "clip_high": clip.high}
    returns = torch.from_numpy(np.stack([group.returns for group in groups]))
    advantages = training.engine.advantages(returns, training.advantage)
    instructions = [task.instruction for task in training.pool.contract.tasks]
    batch = pack(groups, advantages, instructions, training.trainer.policy)
    looked_at = _looked_at(training, batch, temperature, clip)
    found = update(
        training.trainer,
        batch,
        training.config,
        training.engine,
        training.objective,
        training.ranks,
        temperature=temperature,
        clip=clip,
        draw=seeding.generator("minibatches", training.seed, iteration),
        microbatch=training.standing.microbatch,
        clipped_tokens=training.clipped_tokens,
    )
    return found | looked_at | {"clip_low": clip.low, "clip_high": clip.high}


def _looked_at(training: Training, batch: Batch, temperature: float, clip: ClipRange) -> dict[str, float]:
    """What the suite asks to have measured or checked before the update."""
    config, standing, found = training.config, training.standing, dict[str, float]()
    if config.microbatch_gb is not None:
        if standing.microbatch is None:
            arguments = (config.microbatch_gb, training.engine, training.objective, training.ranks)
            standing.microbatch = measure_microbatch(
                training.trainer, batch, *arguments, temperature=temperature, clip=clip
            )
        found["microbatch"] = float(standing.microbatch)
    if config.check_logprobs:
        chunks = min(CHECKED_CHUNKS, standing.microbatch or config.microbatch)
        difference = logprob_difference(training.trainer, batch, training.ranks, temperature=temperature, chunks=chunks)
        found["logprob_difference"] = difference
        _warn_of(difference, training.precision)
    return found


def _warn_of(difference: float, precision: str) -> None:
    if not difference <= ROUNDING[precision]:
        warnings.warn(
            f"rl.check_logprobs: stored log-probs differ by {difference:.2g} from the update's own ({precision}: "
            f"at most {ROUNDING[precision]:g} is rounding); rollouts and updates see different policies",
            RuntimeWarning,
            stacklevel=2,
        )


def _curve_point(training: Training, iteration: int) -> None:
    config = training.config.curve
    if config is None:
        return
    if iteration % config.every and iteration != training.config.iterations:
        return
    for asked in training.curve:
        with training.trainer.acting() as policy:
            records = evaluate(training.pool, policy, asked, training.ranks, iteration=iteration)
        training.folder.add_episodes(records)
        label = str(records[0]["sampling"])
        training.notify(
            events.EvaluationEnd(training.run, iteration, label, successes(records), len(records), asked.name)
        )


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
