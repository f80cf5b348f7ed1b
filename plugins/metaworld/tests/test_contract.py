"""The conformance tests of environments, for Meta-World under its own interpreter."""

from __future__ import annotations

from typing import ClassVar

import pytest

from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench_metaworld.options import MetaworldOptions
from vla_rl_bench_metaworld.plugin import register_environments


@pytest.mark.sim
@pytest.mark.slow
class TestMetaWorld(EnvironmentContract):
    entry = next(iter(register_environments()))
    suite = "mt10"
    options = MetaworldOptions(image_size=64, rendering="fast", step_limit=120)
    changes: ClassVar = {"camera": "corner2", "image_size": 96, "rendering": "exact", "step_limit": 200}
    harmless = ("expert_noise",)  # it changes demonstrations only
    tasks = (5, 9)  # drawer-close, window-close
    steps = 24
