"""The conventions of the policy."""

from __future__ import annotations

from vla_rl_bench.conventions import Expectation
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_cart.options import LinearOptions


def expects(spec: EnvironmentSpec, options: LinearOptions) -> Expectation:
    return Expectation(who="linear", gripper="none", rotation="none", advice="Choose `cart`")
