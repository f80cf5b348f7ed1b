"""The conformance tests of vla-rl-bench."""

from __future__ import annotations

from typing import ClassVar

from vla_rl_bench.testing import EnvironmentContract, PolicyContract
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_cart.environment import contract
from vla_rl_bench_cart.options import CartOptions, LinearOptions
from vla_rl_bench_cart.plugin import register_environments
from vla_rl_bench_cart.policy import Linear, make


class TestCart(EnvironmentContract):
    entry = next(iter(register_environments()))
    suite = "short"
    changes: ClassVar = {"tolerance": 0.3}


class TestLinear(PolicyContract):
    def make(self) -> Linear:
        return make(self.spec(), LinearOptions(), seed=0)

    def spec(self) -> EnvironmentSpec:
        return contract("short", CartOptions())
