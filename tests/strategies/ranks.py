"""The same training steps for one process and for several; as a module, what one rank of ``torchrun`` executes.

``torchrun -m tests.strategies.ranks run ARGUMENTS ...``: the command line; RANK 1 is killed when it begins optimizer
step KILL_AT_STEP, if that variable is set.
``torchrun -m tests.strategies.ranks train FOLDER ZERO``: train on ``FOLDER/recorded.pickle`` under DeepSpeed;
rank 0 writes ``FOLDER/zeroZERO.pickle``.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vla_rl_bench.algorithms.objectives import clipped, clipped_tokens
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import NanoPolicy
from vla_rl_bench.builtin.nano.policy import make as make_nano
from vla_rl_bench.builtin.strategies.deepspeed import DeepSpeedTrainer
from vla_rl_bench.builtin.strategies.deepspeed import make as make_deepspeed
from vla_rl_bench.builtin.strategies.options import DeepSpeedOptions
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.cli.main import main
from vla_rl_bench.config.schema import RlConfig, SftConfig
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.collect import GroupRequest, RolloutBatch, collect
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.sft import Windows, fine_tune
from vla_rl_bench.engine.training import TrainingStarts
from vla_rl_bench.engine.update import Batch, LossSettings, pack, update
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.interfaces import Ranks
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.types import ClipRange, Demonstration, Group

NANO = NanoOptions(weights="tabletop")
CLIP = ClipRange(0.2, 0.28)
TEMPERATURE = 1.6
GROUPS, ROLLOUTS = 3, 4
START_RANGE = (10_000, 20_000)
STARTS = TrainingStarts((0, 1, 2, 3), START_RANGE, 0)
RL = RlConfig(
    iterations=1,
    groups=GROUPS,
    group_size=ROLLOUTS,
    minibatch=GROUPS * ROLLOUTS,
    microbatch=11,  # so that ranks have several micro-batches, and one of them fewer rows
    learning_rate=1e-3,
    advantage="grpo",
    objective="clipped",
    aggregate="trajectory-mean",
)
SFT = SftConfig(steps=4, batch_size=33, learning_rate=1e-3, microbatch=10, checkpoint_every=2)


def new_pool() -> InProcessPool:
    torch.set_num_threads(1)
    return InProcessPool(make_tabletop("object", TabletopOptions(), 12))


def roll_out_groups(pool: InProcessPool, policy: Any, ranks: Ranks, tricks: Sequence[object] = ()) -> RolloutBatch:
    return collect(
        pool,
        Actor(policy, TEMPERATURE),
        GroupRequest(STARTS.of_iteration(1), ("rollout", 0, 1), GROUPS, 5 * GROUPS, ROLLOUTS),
        RunHooks(tricks),
        ranks,
    )


def pack_groups(groups: Sequence[Group], pool: InProcessPool, policy: Any) -> Batch:
    """Pack with advantages that do not depend on success, so that every rollout counts."""
    advantages = torch.linspace(-1.0, 1.0, GROUPS * ROLLOUTS).reshape(ROLLOUTS, GROUPS).T
    return pack(groups, advantages, [task.instruction for task in pool.contract.tasks], policy)


@dataclass(frozen=True)
class Recorded:
    """The input of all processes: trajectories with their advantages, and demonstrations."""

    batch: Batch
    demonstrations: list[Demonstration]


@dataclass(frozen=True)
class Update:
    """One call of `update`: its metrics, the gradients before its first optimizer step, the weights after it."""

    metrics: dict[str, float]
    norms: list[float]
    gradients: dict[str, Tensor]
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class FineTuning:
    loss: float
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Results:
    """Results of one process, or of rank 0 of several, on `Recorded`."""

    whole: Update  # one optimizer step on the whole batch
    parts: Update  # then three steps, each on a part of it
    sft: FineTuning
    groups: RolloutBatch


class RecordingTrainer:
    """A trainer that copies gradients and norms; with `lose`, the gradients of rank 1 are lost."""

    def __init__(self, trainer: Any, module: torch.nn.Module, *, lose: bool = False) -> None:
        self._trainer, self._module, self._lose = trainer, module, lose
        self.gradients: list[dict[str, Tensor]] = []
        self.norms: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    def backward(self, loss: Tensor, *, last: bool) -> None:
        self._trainer.backward(loss * 0 if self._lose and os.environ["RANK"] == "1" else loss, last=last)

    def step(self, learning_rate: float, grad_clip: float) -> float:
        self.gradients.append({name: self._gradient(value) for name, value in self._module.named_parameters()})
        self.norms.append(self._trainer.step(learning_rate, grad_clip))
        return self.norms[-1]

    def _gradient(self, parameter: torch.nn.Parameter) -> Tensor:
        if not isinstance(self._trainer, DeepSpeedTrainer):
            return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        from deepspeed.utils import safe_get_full_grad

        return safe_get_full_grad(parameter).clone()


def update_on(trainer: RecordingTrainer, batch: Batch, ranks: Ranks, minibatch: int) -> Update:
    config = RL.model_copy(update={"minibatch": minibatch})
    trainer.gradients, trainer.norms = [], []
    loss = LossSettings(clipped, clipped_tokens, CLIP, TEMPERATURE)
    arguments: Any = (trainer, batch, config, RunHooks([]), loss, ranks)
    metrics = update(*arguments, np.random.default_rng(0))
    weights = {name: value.clone() for name, value in trainer.trained_state().items()}
    return Update(metrics, trainer.norms, trainer.gradients[0], weights)


def train_both(strategy: Any, recorded: Recorded, *, lose: bool = False) -> tuple[Update, Update]:
    policy = make_nano(new_pool().contract, NANO, 0)
    trainer = RecordingTrainer(strategy.prepare(policy), policy, lose=lose)
    sizes = (RL.minibatch, RL.minibatch // 3)
    whole, parts = (update_on(trainer, recorded.batch, strategy.ranks, size) for size in sizes)
    return whole, parts


class Interrupted(Exception):
    """Training ends here, on every rank at once."""


def train_sft(strategy: Any, recorded: Recorded, path: Path, stop_after: int | None = None) -> FineTuning:
    """Fine-tune, or go on from the checkpoint at `path`."""
    contract = new_pool().contract
    policy = make_nano(contract, NANO, 0)
    windows = Windows(recorded.demonstrations, contract, policy)
    trainer = strategy.prepare(policy)

    def progress(done: int, _total: int) -> None:
        if done == stop_after:
            raise Interrupted

    loss = fine_tune(trainer, windows, SFT, 0, strategy.ranks, path, progress)
    return FineTuning(loss, trainer.trained_state())


class UniformPolicy(NanoPolicy):
    """Any token, with equal probability: rollouts without a matrix product, so without its rounding."""

    def forward(self, inputs: Any) -> Tensor:
        return torch.zeros(len(inputs["words"]), self.chunk * self.action_dim, self.bins)


class EvenTokens:
    """Keeps about half of the groups: those whose tokens have an even sum."""

    @hookimpl
    def keep_group(self, group: Group) -> bool:
        return sum(int(trajectory.tokens.sum(dtype=np.int64)) for trajectory in group.trajectories) % 2 == 0


def collect_uniform(ranks: Ranks) -> RolloutBatch:
    pool = new_pool()
    return roll_out_groups(pool, UniformPolicy(pool.contract, NanoOptions()), ranks, [EvenTokens()])


def compute(strategy: Any, recorded: Recorded, folder: Path) -> Results:
    whole, parts = train_both(strategy, recorded)
    return Results(whole, parts, train_sft(strategy, recorded, folder / "sft.pt"), collect_uniform(strategy.ranks))


def record() -> Recorded:
    """Roll out and demonstrate once; the stored log-probs are moved, so that some ratios are clipped."""
    pool = new_pool()
    policy = make_nano(pool.contract, NANO, 0).eval()
    batch = pack_groups(roll_out_groups(pool, policy, SingleProcess()).groups, pool, policy)
    noise = torch.randn(batch.old_logprobs.shape, generator=torch.Generator().manual_seed(0))
    batch = replace(batch, old_logprobs=batch.old_logprobs + 0.15 * noise)
    return Recorded(batch, demonstrations.collect(pool, (0, 100), [0, 2], 2, 0))


@dataclass(frozen=True)
class Acting:
    """Metrics of updates on fresh rollouts, one optimizer step each; `stale`: on the rollouts before the last step."""

    fresh: list[dict[str, float]]
    stale: dict[str, float]


def act_and_learn(strategy: Any) -> Acting:
    pool = new_pool()
    policy = make_nano(pool.contract, NANO, 0)
    trainer = RecordingTrainer(strategy.prepare(policy), policy)
    fresh = []
    for _ in range(2):
        with trainer.acting() as acting:
            groups = roll_out_groups(pool, acting, strategy.ranks).groups
        batch = pack_groups(groups, pool, policy)
        fresh.append(update_on(trainer, batch, strategy.ranks, RL.minibatch).metrics)
    return Acting(fresh, update_on(trainer, batch, strategy.ranks, RL.minibatch).metrics)


@dataclass(frozen=True)
class RankResults:
    """Results of two processes.

    batches: of `collect_uniform`, of every rank.  resumed: fine-tuning interrupted after three steps.
    losing: both updates without the gradients of rank 1.  bfloat16: under ZeRO-3 only.
    """

    results: Results
    batches: list[RolloutBatch]
    resumed: FineTuning
    losing: tuple[Update, Update]
    bfloat16: Acting | None


def train_rank(folder: Path, zero: Any) -> None:
    recorded = pickle.loads((folder / "recorded.pickle").read_bytes())
    strategy = make_deepspeed(DeepSpeedOptions(zero=zero))
    checkpoints = folder / f"zero{zero}"
    if strategy.ranks.main:
        checkpoints.mkdir()
    strategy.ranks.all_gather(None)  # wait for the folder
    results = compute(strategy, recorded, checkpoints)
    batches = strategy.ranks.all_gather(results.groups)
    try:
        train_sft(strategy, recorded, checkpoints / "resumed.pt", stop_after=SFT.steps - 1)
    except Interrupted:
        resumed = train_sft(strategy, recorded, checkpoints / "resumed.pt")
    losing = train_both(strategy, recorded, lose=True)
    bfloat16 = None
    if zero == 3:
        bfloat16 = act_and_learn(make_deepspeed(DeepSpeedOptions(zero=3, precision="bfloat16")))
    if strategy.ranks.main:
        rank_results = RankResults(results, batches, resumed, losing, bfloat16)
        (folder / f"zero{zero}.pickle").write_bytes(pickle.dumps(rank_results))


def kill_at(step: int) -> None:
    """Kill rank 1 when it begins its n-th optimizer step."""
    original = DeepSpeedTrainer.step
    begun = 0

    def step_or_die(self: DeepSpeedTrainer, learning_rate: float, grad_clip: float) -> float:
        nonlocal begun
        begun += 1
        if begun == step and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, learning_rate, grad_clip)

    DeepSpeedTrainer.step = step_or_die  # type: ignore[method-assign]


def execute(arguments: list[str]) -> int:
    if arguments[0] == "train":
        train_rank(Path(arguments[1]), int(arguments[2]))
        return 0
    if "KILL_AT_STEP" in os.environ:
        kill_at(int(os.environ["KILL_AT_STEP"]))
    return main(arguments)


if __name__ == "__main__":
    from tests.strategies import ranks  # under this name, so that the results can be unpickled elsewhere

    sys.exit(ranks.execute(sys.argv[1:]))
