"""Micro-batches by a memory budget, and stored log-probs held against fresh ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.engine.conftest import recipe
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.memory import activation_bytes, largest_microbatch
from vla_rl_bench.engine.training import warn_if_logprobs_differ
from vla_rl_bench.engine.update import Batch, LossSettings, logprob_difference, measure_microbatch, pack, update
from vla_rl_bench.errors import UserError
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import ClipRange, Group, Start

pytestmark = pytest.mark.numeric

CPU = torch.device("cpu")
CLIP = ClipRange(0.2, 0.28)
LOSS = LossSettings(clipped, None, CLIP, 1.6)


@pytest.fixture
def batch(pool: InProcessPool, policy: Any) -> Batch:
    start = Start(0, 10_000)
    episodes = iter([Episode(start, n, ("test", n)) for n in range(2)])
    ended = dict(roll_out(pool, Actor(policy, 1.6), lambda: next(episodes, None), keep=True))
    instructions = [task.instruction for task in pool.contract.tasks]
    return pack([Group(0, start, tuple(ended.values()))], torch.tensor([[1.0, -1.0]]), instructions, policy)


def test_the_most_that_fits() -> None:
    assert largest_microbatch(1.0, 30_000_000, 50_000_000) == 49  # 10 MB for any number, 20 MB a chunk
    assert largest_microbatch(0.03, 30_000_000, 50_000_000) == 1
    with pytest.raises(UserError, match=r"one chunk's activations take 0\.03 GB, more than the 0\.02 given"):
        largest_microbatch(0.02, 30_000_000, 50_000_000)


def test_a_layer_saves_its_input_and_no_weights() -> None:
    layers = nn.Sequential(nn.Linear(8, 16, bias=False), nn.Linear(16, 4, bias=False))
    given = torch.zeros(5, 8)
    found = activation_bytes(CPU, lambda: layers(given).sum().backward())
    assert found == given.nbytes + 5 * 16 * 4  # what each layer was given; weights are there anyway


def test_activations_grow_with_the_chunks_and_no_gradient_is_left(batch: Batch, policy: Any) -> None:
    trainer = Single(SingleOptions(device="cpu")).prepare(policy)
    arguments = (RunHooks([]), LOSS, SingleProcess())
    sizes = [measure_microbatch(trainer, batch, gb, *arguments) for gb in (0.01, 0.02, 0.04)]
    assert sizes[0] > 0 and sizes[1] == pytest.approx(2 * sizes[0], rel=0.5) and sizes[2] > 1.8 * sizes[1]
    assert not any(value.grad.any() for value in policy.parameters() if value.grad is not None)


def test_measuring_changes_no_number(batch: Batch, pool: InProcessPool, policy: Any) -> None:
    before = {name: value.clone() for name, value in policy.state_dict().items()}

    def updated(measure: bool) -> dict[str, torch.Tensor]:
        policy.load_state_dict(before)
        policy.zero_grad()
        trainer = Single(SingleOptions(device="cpu")).prepare(policy)
        if measure:
            measure_microbatch(trainer, batch, 0.05, RunHooks([]), LOSS, SingleProcess())
            logprob_difference(trainer, batch, SingleProcess(), temperature=1.6, chunks=8)
        arguments = (trainer, batch, recipe(minibatch=2), RunHooks([]), LOSS, SingleProcess())
        update(*arguments, np.random.default_rng(0), microbatch=7)
        return {name: value.clone() for name, value in policy.state_dict().items()}

    plain, measured = updated(False), updated(True)
    assert all(torch.equal(value, measured[name]) for name, value in plain.items())


def test_stored_logprobs_are_those_of_a_fresh_pass(batch: Batch, policy: Any) -> None:
    trainer = Single(SingleOptions(device="cpu")).prepare(policy)
    assert logprob_difference(trainer, batch, SingleProcess(), temperature=1.6, chunks=64) < 1e-4
    assert logprob_difference(trainer, batch, SingleProcess(), temperature=1.0, chunks=64) > 1e-2
    off = replace(batch, old_logprobs=batch.old_logprobs - 0.5)
    assert logprob_difference(trainer, off, SingleProcess(), temperature=1.6, chunks=1) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("difference", "precision"), [(2e-3, "float32"), (0.06, "bfloat16"), (float("nan"), "float32")]
)
def test_more_than_rounding_is_warned_about(difference: float, precision: str) -> None:
    with pytest.warns(RuntimeWarning, match="rollouts and updates see different policies"):
        warn_if_logprobs_differ(difference, precision)


@pytest.mark.filterwarnings("error")
def test_rounding_is_not() -> None:
    warn_if_logprobs_differ(9e-4, "float32")
    warn_if_logprobs_differ(0.04, "bfloat16")
