"""The packed update has the loss and the gradient of the paper's equation 11, written out the long way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.benchmarks.published_schedules.padded import pad
from tests.engine import padded
from tests.engine.conftest import recipe
from vla_rl_bench.algorithms.objectives import clipped, clipped_tokens
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.builtin.strategies.acting import Placed
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single, SingleTrainer
from vla_rl_bench.engine.distributed import SingleProcess, split_microbatches
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.update import Batch, LossSettings, minibatches, pack, update
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import ClipRange, Group, Start

pytestmark = pytest.mark.numeric

CLIP = ClipRange(0.2, 0.28)
TEMPERATURE = 1.6
LOSS = LossSettings(clipped, clipped_tokens, CLIP, TEMPERATURE)
CPU = torch.device("cpu")


@pytest.fixture
def groups(pool: InProcessPool, policy: Any) -> list[Group]:
    found = []
    for index, start in enumerate([Start(0, 10_000), Start(1, 10_001)]):
        episodes = iter([Episode(start, n, ("test", index, n)) for n in range(3)])
        ended = dict(
            roll_out(pool, Actor(policy, TEMPERATURE), lambda episodes=episodes: next(episodes, None), keep=True)
        )
        found.append(Group(index, start, tuple(ended.values())))
    return found


ADVANTAGES = torch.tensor([[1.0, -0.5, -0.5], [0.3, 0.9, -1.2]])


def packed(groups: list[Group], pool: InProcessPool, policy: Any) -> Batch:
    return pack(groups, ADVANTAGES, [task.instruction for task in pool.contract.tasks], policy)


def long_way(groups: list[Group], pool: InProcessPool, policy: Any) -> torch.Tensor:
    """-1/M sum over trajectories of 1/|a| sum over executed tokens of min(r A, clip(r) A); one chunk at a time."""
    total = torch.zeros(())
    for group, row in zip(groups, ADVANTAGES, strict=True):
        for trajectory, advantage in zip(group.trajectories, row, strict=True):
            terms = []
            for chunk, steps in enumerate(trajectory.steps):
                instruction = pool.contract.tasks[trajectory.start.task].instruction
                logits = policy(policy.collate(trajectory.observations[chunk : chunk + 1], [instruction]))[0]
                logp = (logits / TEMPERATURE).log_softmax(-1)
                for token in range(int(steps) * policy.action_dim):
                    new = logp[token, int(trajectory.tokens[chunk, token])]
                    ratio = (new - float(trajectory.logprobs[chunk, token])).exp()
                    terms.append(torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.28) * advantage))
            total = total + torch.stack(terms).mean()
    return -total / ADVANTAGES.numel()


def gradients(policy: Any) -> dict[str, torch.Tensor]:
    return {name: value.grad.clone() for name, value in policy.named_parameters() if value.grad is not None}


class Kept(SingleTrainer):
    """A trainer that remembers the gradients of its last step."""

    def step(self, learning_rate: float, grad_clip: float) -> float:
        self.gradients = gradients(self.module)
        return super().step(learning_rate, grad_clip)


class Half:
    """One of two ranks, whose gathering gives its own part only: what each adds can be looked at alone."""

    world = 2

    def __init__(self, rank: int) -> None:
        self.rank, self.main = rank, rank == 0

    def all_gather(self, item: Any) -> list[Any]:
        return [item]

    def broadcast(self, item: Any) -> Any:
        return item


@pytest.mark.parametrize("microbatch", [3, 5])
def test_the_ranks_gradients_add_up_to_the_whole(
    groups: list[Group], pool: InProcessPool, policy: Any, microbatch: int
) -> None:
    def gradient_of(ranks: Any) -> dict[str, torch.Tensor]:
        still = Kept(Placed(policy, CPU, "float32"), policy, torch.optim.SGD(policy.parameters(), lr=0.0))
        config = recipe(minibatch=6, microbatch=microbatch, grad_clip=1e9, learning_rate=1e-20)
        arguments = (still, packed(groups, pool, policy), config, RunHooks([]), LOSS, ranks)
        update(*arguments, np.random.default_rng(0))
        return still.gradients

    whole, first, second = (gradient_of(ranks) for ranks in (SingleProcess(), Half(0), Half(1)))
    for name, value in whole.items():
        assert not torch.allclose(value, first[name]) or not value.any()
        torch.testing.assert_close(first[name] + second[name], value, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_ranks_share_every_row_once_in_equally_many_forwards(rows: int, size: int) -> None:
    class Third(Half):
        world = 3

    shared = [split_microbatches(rows, size, Third(rank)) for rank in range(3)]
    assert len({len(parts) for parts in shared}) == 1
    assert sorted(int(row) for parts in shared for part in parts for row in part) == list(range(rows))
    assert max(len(part) for parts in shared for part in parts) <= size


@pytest.mark.parametrize("microbatch", [3, 256])
def test_gradient_is_equation_11(groups: list[Group], pool: InProcessPool, policy: Any, microbatch: int) -> None:
    moved(policy)
    summed = long_way(groups, pool, policy)
    summed.backward()
    loss = float(summed.detach())
    expected = gradients(policy)
    policy.zero_grad()
    still = Kept(Placed(policy, CPU, "float32"), policy, torch.optim.SGD(policy.parameters(), lr=0.0))
    config = recipe(minibatch=6, microbatch=microbatch, grad_clip=1e9)
    found = update(
        still,
        packed(groups, pool, policy),
        config,
        RunHooks([]),
        LOSS,
        SingleProcess(),
        np.random.default_rng(0),
    )
    assert 0 < found["clip_fraction"] < 1
    assert found["loss"] == pytest.approx(loss, abs=1e-6)
    for name, value in still.gradients.items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-3)


def moved(policy: Any) -> None:
    """Away from the behaviour policy, so that ratios differ from 1 and some are clipped."""
    with torch.no_grad():
        for value in policy.parameters():
            value += 0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))


def cut(group: Group) -> Group:
    """As if the episodes had ended in success at different moments, inside a chunk too."""
    ended = []
    for number, one in enumerate(group.trajectories):
        chunks = 1 + number
        steps = one.steps[:chunks].copy()
        steps[-1] = 1 + number
        ended.append(
            replace(
                one,
                observations=one.observations[:chunks],
                tokens=one.tokens[:chunks],
                logprobs=one.logprobs[:chunks],
                steps=steps,
            )
        )
    return replace(group, trajectories=tuple(ended))


@pytest.mark.parametrize("aggregate", ["trajectory-mean", "token-mean"])
def test_packed_is_the_padded_computation(
    groups: list[Group], pool: InProcessPool, policy: Any, aggregate: str
) -> None:
    """The same loss and gradients as with every trajectory filled up to the step limit and masked."""
    moved(policy)
    groups = [cut(group) for group in groups]
    instructions = [task.instruction for task in pool.contract.tasks]
    chunks = -(-max(task.step_limit for task in pool.contract.tasks) // policy.chunk)
    filled = pad(groups, ADVANTAGES, instructions, policy, chunks)
    assert filled.tokens.shape[:2] == (6, chunks) and 0 < filled.mask.mean() < 1
    loss = padded.backward(policy, filled, temperature=TEMPERATURE, clip=CLIP, aggregate=aggregate)
    expected = gradients(policy)
    policy.zero_grad()
    still = Kept(Placed(policy, CPU, "float32"), policy, torch.optim.SGD(policy.parameters(), lr=0.0))
    config = recipe(minibatch=6, grad_clip=1e9, aggregate=aggregate)
    arguments = (still, packed(groups, pool, policy), config, RunHooks([]), LOSS, SingleProcess())
    found = update(*arguments, np.random.default_rng(0))
    assert found["loss"] == pytest.approx(loss, abs=1e-6)
    for name, value in still.gradients.items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-3)


def test_pack_keeps_only_what_was_executed(groups: list[Group], pool: InProcessPool, policy: Any) -> None:
    batch = packed(groups, pool, policy)
    trajectories = [one for group in groups for one in group.trajectories]
    assert batch.mask.sum().item() == sum(one.length for one in trajectories) * policy.action_dim
    assert len(batch.tokens) == sum(len(one.steps) for one in trajectories)
    assert batch.advantages.tolist() == pytest.approx(ADVANTAGES.flatten().tolist())


def test_minibatches_are_whole_trajectories_each_once(groups: list[Group], pool: InProcessPool, policy: Any) -> None:
    batch = packed(groups, pool, policy)
    parts = list(minibatches(batch, 4, np.random.default_rng(3)))
    assert sorted(np.concatenate(parts)) == list(range(len(batch.tokens)))
    owners = [set(batch.trajectory[rows].tolist()) for rows in parts]
    assert [len(one) for one in owners] == [4, 2] and not owners[0] & owners[1]


def test_clip_fraction_is_the_objectives_own(groups: list[Group], pool: InProcessPool, policy: Any) -> None:
    """A clip of whole chunks counts whole chunks; an objective that names no clip has no such metric."""

    def clipped_chunks(new: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip: ClipRange) -> torch.Tensor:
        chunk_ratio = torch.exp((new - old).mean(dim=1, keepdim=True))
        return ((chunk_ratio > 1 + clip.high) | (chunk_ratio < 1 - clip.low)).float().expand_as(new)

    moved(policy)
    trainer = Kept(Placed(policy, CPU, "float32"), policy, torch.optim.SGD(policy.parameters(), lr=0.0))
    batch = packed(groups, pool, policy)

    def metrics(clip: Any) -> dict[str, float]:
        loss = LossSettings(clipped, clip, CLIP, TEMPERATURE)
        arguments = (trainer, batch, recipe(minibatch=6), RunHooks([]), loss, SingleProcess())
        return update(*arguments, np.random.default_rng(0))

    with torch.no_grad():
        inputs = policy.collate(batch.observations, batch.instructions)
        new = token_logprobs(policy(inputs), batch.tokens, TEMPERATURE)
        whole_chunks = clipped_chunks(new, batch.old_logprobs, batch.advantages, CLIP)
    expected = float((whole_chunks * batch.mask).sum() / batch.mask.sum())
    assert 0 < expected < 1
    assert metrics(clipped_chunks)["clip_fraction"] == pytest.approx(expected)
    assert metrics(clipped_tokens)["clip_fraction"] != pytest.approx(expected)
    assert "clip_fraction" not in metrics(None)


def test_warmup_counts_optimiser_steps(groups: list[Group], pool: InProcessPool, policy: Any) -> None:
    trainer = Single(SingleOptions()).prepare(policy)
    config = recipe(minibatch=3, warmup=4, learning_rate=1e-3)
    arguments = (trainer, packed(groups, pool, policy), config, RunHooks([]), LOSS, SingleProcess())
    update(*arguments, np.random.default_rng(0))
    assert trainer.steps_taken == 2
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 2 / 4)
