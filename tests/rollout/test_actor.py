"""A forward whose rows depend on each other is refused where that would let timing in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from torch import Tensor

from vla_rl_bench.errors import UserError
from vla_rl_bench.rollout.actor import is_row_invariant, require_row_invariance
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.types import Observation, Start


class Neighbourly:
    """A policy whose rows lean on their neighbours, as under batch normalisation."""

    def __init__(self, policy: Any) -> None:
        self.chunk, self.action_dim, self.bins = policy.chunk, policy.action_dim, policy.bins
        self.collate, self.normalise, self.unnormalise = policy.collate, policy.normalise, policy.unnormalise
        self._policy = policy

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self._policy(inputs)
        return logits - logits.mean(0)


@pytest.fixture
def seen(in_process: Callable[..., Pool]) -> Observation:
    pool = in_process(1)
    pool.reset(0, Start(0, 10_000))
    observation = pool.wait()[0].observation
    assert observation is not None
    return observation


@pytest.mark.parametrize("rows", [1, 2, 4, 8])
def test_the_nano_policys_rows_know_nothing_of_each_other(policy: Any, seen: Observation, rows: int) -> None:
    assert is_row_invariant(policy, seen, ["put the red block on the square", "push"], rows)


def test_a_policy_whose_rows_do_is_refused(policy: Any, seen: Observation) -> None:
    neighbourly = Neighbourly(policy)
    require_row_invariance(neighbourly, seen, ["push"], 1)
    with pytest.raises(UserError, match=r"Write forward_rows: 1, or deterministic: false"):
        require_row_invariance(neighbourly, seen, ["push"], 4)
