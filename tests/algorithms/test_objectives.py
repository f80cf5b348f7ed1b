"""Closed forms of the paper's equations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.aggregation import AGGREGATES, token_mean, trajectory_mean
from vla_rl_bench.algorithms.masks import executed_tokens
from vla_rl_bench.algorithms.objectives import clipped, clipped_tokens
from vla_rl_bench.types import ClipRange

pytestmark = pytest.mark.numeric

CLIP = ClipRange(0.2, 0.28)


@given(st.integers(1, 7))
def test_group_advantages_closed_form(k: int) -> None:
    """k successes of 8: sample variance is k (8 - k) / 56, so both advantages are known."""
    returns = torch.tensor([[1.0] * k + [0.0] * (8 - k)])
    mean, deviation = k / 8, math.sqrt(k * (8 - k) / 56)
    found = group_advantages(returns)[0]
    assert found[0].item() == pytest.approx((1 - mean) / deviation, rel=1e-4)
    assert found[-1].item() == pytest.approx(-mean / deviation, rel=1e-4)
    assert found.sum().item() == pytest.approx(0, abs=1e-5)


@given(st.floats(-1e6, 1e6, width=32), st.integers(2, 16))
def test_a_group_of_equal_returns_has_advantage_exactly_0(value: float, rollouts: int) -> None:
    """Rounding included: the float32 mean of seven times 0.3 is not 0.3."""
    mixed = torch.tensor([1.0, *[0.0] * (rollouts - 1)])
    advantages = group_advantages(torch.stack([torch.full((rollouts,), value), mixed]))
    assert (advantages[0] == 0).all()
    assert (advantages[1] != 0).all()


def test_a_scaled_reward_gives_the_same_advantages() -> None:
    """SimpleVLA-RL's code pays 5 for success; the scale cancels but for eps."""
    returns = torch.tensor([[1.0, 0, 0, 1, 0, 0, 0, 0]])
    torch.testing.assert_close(group_advantages(5 * returns), group_advantages(returns), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.27, 1.0, 1.27, 1.27),  # inside the higher bound
        (1.5, 1.0, 1.28, 0.0),  # clipped above
        (1.5, -1.0, -1.5, -1.5),  # a bad action is not protected by the upper bound
        (0.5, -1.0, -0.8, 0.0),  # clipped below
        (0.5, 1.0, 0.5, 0.5),
    ],
)
def test_clipped_objective_and_its_gradient(ratio: float, advantage: float, value: float, gradient: float) -> None:
    """d(r A)/d(log pi) = r A where the clip does not bite, else 0."""
    old = torch.tensor([-1.0])
    new = (old + math.log(ratio)).requires_grad_()
    found = clipped(new, old, torch.tensor([advantage]), CLIP)
    found.sum().backward()
    assert found.item() == pytest.approx(value, rel=1e-5)
    assert new.grad is not None and new.grad.item() == pytest.approx(gradient, rel=1e-5)
    assert bool(clipped_tokens(new.detach(), old, torch.tensor([advantage]), CLIP)) == (gradient == 0.0)


def test_masks_stop_where_the_episode_stopped() -> None:
    mask = executed_tokens(torch.tensor([3, 1]), chunk=3, action_dim=2)
    assert mask.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]]


def test_trajectory_mean_is_equation_11() -> None:
    """1/G sum_i 1/|a_i| sum_t, computed the long way round."""
    torch.manual_seed(0)
    mask = executed_tokens(torch.tensor([4, 4, 2, 1]), 4, 3)
    trajectory = torch.tensor([0, 0, 0, 1])
    values = torch.randn(4, 12)
    expected = sum(
        (values[trajectory == i] * mask[trajectory == i]).sum() / mask[trajectory == i].sum() for i in range(2)
    )
    torch.testing.assert_close((values * trajectory_mean(mask, trajectory)).sum(), expected / 2)


def test_token_mean_weighs_every_token_alike() -> None:
    mask = executed_tokens(torch.tensor([4, 1]), 4, 1)
    assert token_mean(mask, torch.tensor([0, 1])).unique().tolist() == pytest.approx([0.0, 1 / 5])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.sampled_from(sorted(AGGREGATES)))
def test_weights_sum_to_one_and_vanish_where_masked(steps: list[int], name: str) -> None:
    mask = executed_tokens(torch.tensor(steps), 4, 2)
    weights = AGGREGATES[name](mask, torch.arange(len(steps)))
    assert weights.sum().item() == pytest.approx(1, rel=1e-5)
    assert (weights[mask == 0] == 0).all()
