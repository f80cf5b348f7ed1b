"""One process: what is trained, what is kept, and where the optimiser lives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.conftest import recipe
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.strategies.offload import OffloadedAdamW
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single, SingleTrainer, make
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.errors import UserError
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.types import Observation, Start

pytestmark = pytest.mark.numeric

LEARNING_RATE = recipe().learning_rate


@pytest.fixture(scope="module")
def seen() -> tuple[Observation, list[str], Any]:
    environment = make_tabletop("object", TabletopOptions(), 4)
    starts = [Start(0, index) for index in range(4)]
    observations = environment.reset_slots(range(4), starts)
    return observations, [environment.contract.tasks[0].instruction] * 4, environment.contract


def new_policy(seen: tuple[Observation, list[str], Any]) -> Any:
    return make_policy(seen[2], NanoOptions(), 0)


def steps(trainer: SingleTrainer, seen: tuple[Observation, list[str], Any], first: int, last: int) -> None:
    """Optimiser steps towards tokens that are drawn by the number of the step."""
    for step in range(first, last):
        logits = trainer.forward(trainer.policy.collate(seen[0], seen[1]))
        draw = torch.Generator().manual_seed(step)
        wanted = torch.randint(0, 256, logits.shape[:2], generator=draw)
        trainer.backward(torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten()), last=True)
        trainer.step(LEARNING_RATE, 1.0)


def test_offload_takes_the_steps_of_adamw(seen: Any) -> None:
    plain, offloaded = new_policy(seen), new_policy(seen)
    steps(Single(SingleOptions()).prepare(plain, weight_decay=0.1), seen, 0, 4)
    steps(Single(SingleOptions(offload=True)).prepare(offloaded, weight_decay=0.1), seen, 0, 4)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, offloaded.state_dict()[name]), name


def test_offload_keeps_what_bfloat16_cannot_hold() -> None:
    """2000 steps of 1e-6 move a weight of 1 by 0.002; bfloat16's next number above 1 is 1.0078."""
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = OffloadedAdamW([weight], lr=1e-6, weight_decay=0.0)
    for _ in range(2000):
        weight.grad = torch.full_like(weight, -1.0)
        optimizer.step()
    assert optimizer.state_dict()["masters"][0].tolist() == pytest.approx([1.002] * 3, abs=1e-4)


@pytest.mark.parametrize("offload", [False, True])
def test_a_loaded_trainer_goes_on_as_the_saved_one(seen: Any, tmp_path: Path, offload: bool) -> None:
    options = SingleOptions(offload=offload)
    whole = Single(options).prepare(new_policy(seen))
    steps(whole, seen, 0, 2)
    whole.save(tmp_path / "rl.checkpoint.pt", 2)
    drawn = torch.rand(3)
    steps(whole, seen, 2, 4)
    resumed = Single(options).prepare(new_policy(seen))
    assert resumed.load(tmp_path / "rl.checkpoint.pt") == 2 and resumed.steps_taken == 2
    assert torch.equal(torch.rand(3), drawn)  # torch's own generator is where it was
    steps(resumed, seen, 2, 4)
    for name, value in whole.trained_state().items():
        assert torch.equal(value, resumed.trained_state()[name]), name


def test_frozen_weights_are_neither_trained_nor_kept(seen: Any, tmp_path: Path) -> None:
    policy = new_policy(seen)
    policy.stems.requires_grad_(False)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    trainer = Single(SingleOptions()).prepare(policy, weight_decay=0.1)
    steps(trainer, seen, 0, 2)
    kept = trainer.trained_state()
    assert not any(name.startswith("stems.") for name in kept)
    for name, value in policy.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in kept), name
    checkpoint.save_policy(tmp_path / "policy.safetensors", policy)
    other = new_policy(seen)
    with pytest.raises(UserError, match=r"policy\.safetensors: lacks `stems"):
        checkpoint.load_policy(tmp_path / "policy.safetensors", other)
    other.stems.requires_grad_(False)
    checkpoint.load_policy(tmp_path / "policy.safetensors", other)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in policy.state_dict().items())


def test_bfloat16_rounds_forwards_and_not_weights(seen: Any) -> None:
    policy = new_policy(seen)
    exact = policy(policy.collate(seen[0], seen[1]))
    trainer = Single(SingleOptions(precision="bfloat16")).prepare(policy)
    rounded = trainer.forward(trainer.policy.collate(seen[0], seen[1])).float()
    assert 0 < float((rounded - exact).detach().abs().max()) < 0.1
    steps(trainer, seen, 0, 1)
    assert {value.dtype for value in policy.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_update_begins_at_the_rollouts_logprobs(seen: Any, precision: Any) -> None:
    """The ratio is 1 before the first step: acting and learning see one policy, in one precision."""
    trainer = Single(SingleOptions(precision=precision)).prepare(new_policy(seen))
    uniforms = torch.rand((4, 12), generator=torch.Generator().manual_seed(0)).numpy()
    with trainer.acting() as policy:
        decided = Actor(policy, 1.6).act(seen[0], seen[1], uniforms)
    logits = trainer.forward(trainer.policy.collate(seen[0], seen[1]))
    again = token_logprobs(logits, torch.from_numpy(decided.tokens).long(), 1.6).detach()
    torch.testing.assert_close(again, torch.from_numpy(decided.logprobs), atol=1e-6, rtol=0)


def test_several_processes_need_another_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"`single` runs in one process, and 2 were started.*strategy\.name=deepspeed"):
        make(SingleOptions())


def test_a_device_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(UserError, match=r"strategy\.device: `cuda:7` cannot be used here"):
        Single(SingleOptions(device="cuda:7"))


def test_a_stage_begun_under_deepspeed_is_not_begun_again(seen: Any, tmp_path: Path) -> None:
    path = tmp_path / "rl.checkpoint.pt"
    checkpoint.shards(path).mkdir()
    with pytest.raises(UserError, match="begun with strategy deepspeed"):
        Single(SingleOptions()).prepare(new_policy(seen)).load(path)
    checkpoint.delete(path)
    assert not list(tmp_path.iterdir())
