"""A forward whose rows depend on each other is refused where that would let timing in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.rollout.conftest import RowByRow, WrappedPolicy
from vla_rl_bench import deprecated
from vla_rl_bench.errors import NotSupported, UserError
from vla_rl_bench.rollout.actor import Actor, adapt_policy, is_row_invariant, require_row_invariance
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.types import FloatArray, Observation, Start

pytestmark = pytest.mark.numeric


class Neighborly(WrappedPolicy):
    """A policy whose rows depend on each other, as under batch normalization."""

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.policy(inputs)
        return logits - logits.mean(0)


@pytest.fixture
def seen(in_process: Callable[..., Pool]) -> Observation:
    pool = in_process(1)
    pool.reset(0, Start(0, 10_000))
    observation = pool.wait()[0].observation
    assert observation is not None
    return observation


@pytest.mark.parametrize("rows", [1, 2, 4, 8])
def test_row_invariance_of_rows_forwarded_one_by_one(policy: Any, seen: Observation, rows: int) -> None:
    assert is_row_invariant(RowByRow(policy), seen, ["put the red block on the square", "push"], rows)


def test_row_dependent_policy_is_rejected(policy: Any, seen: Observation) -> None:
    neighborly = Neighborly(policy)
    require_row_invariance(neighborly, seen, ["push"], 1)
    with pytest.raises(UserError, match=r"Write forward_rows: 1, or deterministic: false"):
        require_row_invariance(neighborly, seen, ["push"], 4)


def test_padding_changes_logits_by_rounding_only(policy: Any, seen: Observation) -> None:
    actor, batch = Actor(policy, 1.6), Observation.stack([seen])
    plain, padded = (actor.compute_logits(batch, ["push"], rows) for rows in (None, 4))
    assert padded.shape == plain.shape == (1, policy.chunk * policy.action_dim, policy.bins)
    torch.testing.assert_close(padded, plain, atol=2e-5, rtol=0)


class OldPolicy(nn.Module):
    """A policy as written for version 0.1."""

    chunk, action_dim, bins = 2, 3, 256

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return {"rows": torch.zeros(len(instructions), 6, 256)}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["rows"]

    def normalise(self, actions: FloatArray) -> FloatArray:
        return actions / 2

    def unnormalise(self, values: FloatArray) -> FloatArray:
        return values * 2


class OldAutoregressivePolicy(OldPolicy):
    def draw(self, inputs: Mapping[str, Tensor], choose: Any) -> tuple[Tensor, Tensor]:
        drawn: tuple[Tensor, Tensor] = choose(inputs["rows"], 0)
        return drawn


@pytest.fixture
def no_warnings_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", {})


@pytest.mark.parametrize("cls", [OldPolicy, OldAutoregressivePolicy])
@pytest.mark.usefixtures("no_warnings_given")
def test_adapt_policy_lets_old_classes_act_and_warns_once(cls: type[OldPolicy], seen: Observation) -> None:
    with pytest.warns(DeprecationWarning, match="vla-rl-bench: ") as warnings:
        policies = [adapt_policy(cls()) for _ in range(2)]
    texts = [str(warning.message) for warning in warnings]
    assert [text.split(" is deprecated")[0].split()[-1] for text in texts[1:]] == [
        "TokenPolicy.normalise", "TokenPolicy.unnormalise",
    ]  # fmt: skip
    assert f"{cls.__qualname__} without a base class" in texts[0]
    policy = policies[0]
    assert policy.is_autoregressive == (cls is OldAutoregressivePolicy)
    batch = Observation.stack([seen, seen])
    actions = Actor(policy, 1.0).act(batch, ["push", "push"], np.full((2, 6), 0.5, np.float32)).actions
    assert actions.shape == (2, 2, 3)
    assert np.array_equal(policy.normalize(policy.unnormalize(actions)), actions)
    with pytest.raises(NotSupported, match="export"):
        policy.export(Path())


@pytest.mark.usefixtures("no_warnings_given")
def test_policy_base_answers_to_the_old_names(policy: Any) -> None:
    actions = np.zeros((1, policy.chunk, policy.action_dim), np.float32)
    with pytest.warns(DeprecationWarning, match=r"TokenPolicy\.normalise"):
        assert np.array_equal(policy.normalise(actions), policy.normalize(actions))
    with pytest.warns(DeprecationWarning, match=r"TokenPolicy\.unnormalise"):
        assert np.array_equal(policy.unnormalise(actions), policy.unnormalize(actions))
