"""A fresh proprioception projector makes a checkpoint that has none one that learns with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from plugins.openvla_oft.tests import around
from vla_rl_bench_openvla_oft import projector
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions
from vla_rl_bench_openvla_oft.policy import make
from vla_rl_bench_openvla_oft.proprio import PREFIX

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*lm_head puts:vla_rl_bench_openvla_oft.spaces.CheckpointWarning"),
    pytest.mark.numeric,
]


@pytest.fixture
def without(proprio_standin: Path, tmp_path: Path) -> Path:
    """RoboTwin's statistics, and no projector, as openvla-7b has none."""
    folder = Path(shutil.copytree(proprio_standin, tmp_path / "checkpoint"))
    weights = load_file(folder / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if not key.startswith(PREFIX)},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    return folder


def test_it_loads_is_fed_and_is_trained(without: Path) -> None:
    assert projector.main([str(without)]) == 0
    spec = around.robotwin()
    policy = make(spec, OpenVlaOftOptions(checkpoint=str(without)), 0)
    inputs = policy.collate(around.observations(spec, 2), ["push", "lift the pot"])
    assert inputs["proprio"].shape == (2, 14)
    policy(inputs).sum().backward()
    trained = {name: one.grad for name, one in policy.named_parameters() if PREFIX in name}
    assert len(trained) == 4
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in trained.values())


def test_the_same_seed_gives_the_same_weights(without: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(without, tmp_path / "other"))
    first, second = (torch.load(projector.write(folder, 14, 3), weights_only=True) for folder in (without, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_projector_that_is_there_is_left_alone(
    without: Path, proprio_standin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert projector.main([str(without)]) == 0
    for folder in (without, proprio_standin):
        assert projector.main([str(folder)]) == 2
        assert "already" in capsys.readouterr().err
    assert not (proprio_standin / projector.FILE).exists()


def test_where_it_is_missing_the_command_is_named(without: Path) -> None:
    assert json.loads((without / "config.json").read_text())["model_type"] == "openvla"
    with pytest.raises(Exception, match=r"python -m vla_rl_bench_openvla_oft.projector"):
        make(around.robotwin(), OpenVlaOftOptions(checkpoint=str(without)), 0)
