"""The packed update has the loss and the gradient of the paper's equation 11, written out the long way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.conftest import recipe
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.engine.hooks import Engine
from vla_rl_bench.engine.update import Batch, minibatches, pack, steps_taken, update
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import ClipRange, Group, Start

CLIP = ClipRange(0.2, 0.28)
TEMPERATURE = 1.6


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


@pytest.mark.parametrize("microbatch", [3, 256])
def test_gradient_is_equation_11(groups: list[Group], pool: InProcessPool, policy: Any, microbatch: int) -> None:
    with torch.no_grad():  # move away from the behaviour policy, so that ratios differ from 1 and some are clipped
        for value in policy.parameters():
            value += 0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    long_way(groups, pool, policy).backward()
    expected = gradients(policy)
    still = torch.optim.SGD(policy.parameters(), lr=0.0)
    config = recipe(minibatch=6, microbatch=microbatch, grad_clip=1e9)
    found = update(
        policy,
        still,
        packed(groups, pool, policy),
        config,
        Engine([]),
        clipped,
        temperature=TEMPERATURE,
        clip=CLIP,
        draw=np.random.default_rng(0),
    )
    assert 0 < found["clip_fraction"] < 1
    for name, value in gradients(policy).items():
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


def test_warmup_counts_optimiser_steps(groups: list[Group], pool: InProcessPool, policy: Any) -> None:
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1.0)
    config = recipe(minibatch=3, warmup=4, learning_rate=1e-3)
    arguments = (policy, optimizer, packed(groups, pool, policy), config, Engine([]), clipped)
    update(*arguments, temperature=1.0, clip=CLIP, draw=np.random.default_rng(0))
    assert steps_taken(optimizer) == 2
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 2 / 4)
