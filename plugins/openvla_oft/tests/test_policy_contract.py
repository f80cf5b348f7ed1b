"""Both policies keep the contract: all weights and adapters, three cameras with proprioception, token by token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from plugins.openvla_oft.tests import around
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.testing import PolicyContract
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_openvla_oft.options import LoraOptions, OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.policy import make, make_autoregressive

pytestmark = pytest.mark.numeric


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class OpenVlaContract(PolicyContract):
    """With a stand-in's random weights."""

    environment: Callable[[], EnvironmentSpec] = staticmethod(around.libero)
    checkpoint = "standin"
    grid = 32

    @pytest.fixture(autouse=True)
    def folder(self, request: pytest.FixtureRequest) -> None:
        self._folder: Path = request.getfixturevalue(self.checkpoint)

    def options(self) -> dict[str, Any]:
        return {"checkpoint": str(self._folder), "probe": False}

    def make(self) -> TokenPolicy:
        return make(self.spec(), OpenVlaOftOptions(**self.options()), seed=0)

    def spec(self) -> EnvironmentSpec:
        return self.environment()


class TestAllWeights(OpenVlaContract):
    pass


class TestGradientCheckpointing(OpenVlaContract):
    def options(self) -> dict[str, Any]:
        return super().options() | {"gradient_checkpointing": True}


class TestAdapters(OpenVlaContract):
    def options(self) -> dict[str, Any]:
        return super().options() | {"lora": LoraOptions(rank=4)}


class TestTwoArms(OpenVlaContract):
    """25 x 14 tokens, three cameras, proprioception, min/max."""

    environment = staticmethod(around.robotwin)
    checkpoint = "proprio_standin"
    rows = 2

    def options(self) -> dict[str, Any]:
        return super().options() | {"images": ("head_camera", "left_camera", "right_camera")}


class TestTokenByToken(OpenVlaContract):
    """Plain OpenVLA."""

    def make(self) -> TokenPolicy:
        return make_autoregressive(self.spec(), OpenVlaOptions(**self.options()), seed=0)
