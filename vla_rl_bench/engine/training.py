"""Everything that an RL algorithm needs: the policy's trainer, the environment's pool, hooks, starts and records."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from vla_rl_bench import events, seeding
from vla_rl_bench.config.schema import RlConfig
from vla_rl_bench.engine.collect import RolloutBatch
from vla_rl_bench.engine.evaluate import Evaluation, evaluate, successes
from vla_rl_bench.engine.hooks import Event, RunHooks
from vla_rl_bench.engine.iteration_times import summary, times_summary
from vla_rl_bench.engine.memory import release_free_memory
from vla_rl_bench.engine.update import Batch, LossSettings, Objective, logprob_difference, measure_microbatch
from vla_rl_bench.interfaces import Ranks, TokenPolicy, Trainer
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.types import Group, Start

CHECKED_CHUNKS = 64  # chunks of an iteration that rl.check_logprobs compares
ROUNDING = {"float32": 1e-3, "bfloat16": 0.05}  # nats that two forwards of one policy may differ by, by precision
ACCEPTANCE_ITERATIONS = 10  # iterations whose acceptance predicts the next one's


@dataclass(frozen=True)
class TrainingStarts:
    """Training starts of a run, a function of seed, iteration and group."""

    tasks: Sequence[int]
    start_range: tuple[int, int]  # half-open range of start indices
    seed: int

    def start(self, iteration: int, group: int) -> Start:
        """Start of the group with index `group` in an iteration: tasks in a shuffled round-robin, uniform indices."""
        lap, position = divmod(group, len(self.tasks))
        order = seeding.generator("tasks", self.seed, iteration, lap).permutation(len(self.tasks))
        index = seeding.generator("start", self.seed, iteration, group).integers(*self.start_range)
        return Start(self.tasks[int(order[position])], int(index))

    def of_iteration(self, iteration: int) -> Callable[[int], Start]:
        """The function from group indices to starts of one iteration."""
        return partial(self.start, iteration)


@dataclass(frozen=True)
class LossFunctions:
    """The functions that the suite names under ``rl``; see `vla_rl_bench.entries` for their signatures."""

    advantage: Callable[[Tensor], Tensor]
    objective: Objective
    clipped_tokens: Objective | None = None  # None: no `clip_fraction` is recorded


@dataclass
class GrpoState:
    """State that one iteration of GRPO leaves to the next, beside the policy."""

    microbatch: int | None = None  # chunks in one forward, if rl.microbatch_gb has it measured
    # (groups kept, groups sampled) of the last iterations
    acceptances: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=ACCEPTANCE_ITERATIONS))
    # groups of the last iteration for the next one (rl.reuse_surplus); a resumed run begins without them
    surplus: tuple[Group, ...] = ()

    @classmethod
    def after(cls, metrics: Sequence[Mapping[str, Any]]) -> GrpoState:
        """The state after the iterations with these metrics."""
        state = cls()
        state.acceptances.extend((record["kept"], record["drawn"]) for record in metrics)
        return state

    @property
    def acceptance(self) -> float:
        """The share of groups that were kept in the last iterations; 1 before the first."""
        if not self.acceptances:
            return 1.0
        return sum(kept for kept, _ in self.acceptances) / sum(sampled for _, sampled in self.acceptances)

    def append(self, config: RlConfig, batch: RolloutBatch) -> None:
        self.acceptances.append((len(batch.groups), batch.sampled_groups))
        if config.reuse_surplus:  # at least one group of a batch is always new
            self.surplus = batch.surplus[: config.groups - 1]


@dataclass(frozen=True)
class Training:
    """Everything that an RL algorithm needs to train the policy of one run."""

    folder: RunFolder
    config: RlConfig
    trainer: Trainer
    ranks: Ranks
    pool: Pool
    hooks: RunHooks
    functions: LossFunctions
    starts: TrainingStarts
    curve: tuple[Evaluation, ...]  # evaluations of the learning curve
    progress: Callable[[str, int, int, str], None]  # (text, iterations done, iterations in all, more text)
    precision: str = "float32"  # of the policy's forwards, as strategies name it

    @property
    def run(self) -> str:
        """The run's id."""
        return self.folder.path.name

    def resume(self) -> int:
        """Load the last checkpoint, delete what was recorded after it, and return the iterations done; 0 at first."""
        done = self.trainer.load(self.folder.checkpoint_path("rl"))
        self.folder.keep_metrics(lambda record: record["iteration"] <= done)
        self.folder.cut_curve(done)
        return done

    def finish_iteration(self, iteration: int, metrics: dict[str, Any]) -> None:
        """Record the metrics, notify the observers and save a checkpoint if one is due."""
        self.folder.add_metrics(metrics)
        numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
        self.notify(events.UpdateEnd(self.run, iteration, bool(metrics["skipped"]), numbers))
        if iteration % self.config.checkpoint_every == 0 or iteration == self.config.iterations:
            path = self.folder.checkpoint_path("rl")
            self.trainer.save(path, iteration)
            self.notify(events.CheckpointSaved(self.run, iteration, path))
        release_free_memory()
        self.progress(summary(metrics), iteration, self.config.iterations, times_summary(metrics))

    def evaluate_curve(self, iteration: int) -> None:
        """Evaluate the policy if the learning curve is due at this iteration, and record the episodes."""
        config = self.config.curve
        if config is None or (iteration % config.every and iteration != self.config.iterations):
            return
        for evaluation in self.curve:
            with self.trainer.acting() as policy:
                records = evaluate(self.pool, policy, evaluation, self.ranks, iteration=iteration)
            self.folder.add_episodes(records)
            sampling, successful = str(records[0]["sampling"]), successes(records)
            self.notify(events.EvaluationEnd(self.run, iteration, sampling, successful, len(records), evaluation.name))

    def check_before_update(self, state: GrpoState, batch: Batch, loss: LossSettings) -> dict[str, float]:
        """Measure the micro-batch (rl.microbatch_gb) and compare stored log-probs (rl.check_logprobs), if asked to."""
        config, metrics = self.config, dict[str, float]()
        if config.microbatch_gb is not None:
            if state.microbatch is None:
                budget = config.microbatch_gb
                state.microbatch = measure_microbatch(self.trainer, batch, budget, self.hooks, loss, self.ranks)
            metrics["microbatch"] = float(state.microbatch)
        if config.check_logprobs:
            chunks = min(CHECKED_CHUNKS, state.microbatch or config.microbatch)
            difference = logprob_difference(self.trainer, batch, self.ranks, loss.temperature, chunks)
            metrics["logprob_difference"] = difference
            warn_if_logprobs_differ(difference, self.precision)
        return metrics

    def group_observer(self, iteration: int, policy: TokenPolicy) -> Callable[[Group], object]:
        """The function that tells observers of a group that has ended, on the rank that rolled it out."""
        folder = self.folder.path
        return lambda group: self.hooks.notify(events.GroupEnd(self.run, folder, iteration, group, policy))

    def notify_rollout_end(self, iteration: int, batch: RolloutBatch) -> None:
        """Tell the observers that an iteration's batch is complete."""
        counts = (batch.sampled_groups, len(batch.groups), batch.successes, batch.trajectories)
        self.notify(events.RolloutEnd(self.run, self.folder.path, iteration, *counts))

    def notify(self, event: Event) -> None:
        """Notify the observers, on rank 0 only."""
        if self.ranks.main:
            self.hooks.notify(event)


def warn_if_logprobs_differ(difference: float, precision: str) -> None:
    """Warn if stored and fresh log-probs differ by more than rounding."""
    if not difference <= ROUNDING[precision]:
        warnings.warn(
            f"rl.check_logprobs: stored log-probs differ by {difference:.2g} from the update's own ({precision}: "
            f"at most {ROUNDING[precision]:g} is rounding); rollouts and updates see different policies",
            RuntimeWarning,
            stacklevel=2,
        )
