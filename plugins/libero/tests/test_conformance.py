"""LIBERO passes the conformance tests of environments."""

from __future__ import annotations

from typing import Any

import pytest

from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.plugin import register_environments

pytestmark = [pytest.mark.sim, pytest.mark.slow]


class TestLiberoObject(EnvironmentContract):
    """The conformance tests on one task (1 GB), without noise: the expert executes its labels."""

    entry = next(iter(register_environments()))
    suite = "libero_object"
    options = LiberoOptions(step_limit=200, expert_noise=0.0)
    tasks = (3,)
    steps = 24
    changes = {  # noqa: RUF012
        "driver": "reference",
        "rendering": "fast",
        "image_size": 128,
        "step_limit": 220,
        "expert_noise": 0.12,
        "sampled_starts": True,
        "protocol": "paper",
    }
    harmless = ("simulators",)  # changes no number

    def contract_with(self, **changed: Any) -> EnvironmentSpec:
        """Remove the step limit if a protocol is named, which sets its own."""
        return super().contract_with(**({"step_limit": None} if "protocol" in changed else {}), **changed)
