"""The stand-in: openvla-7b's own format, and able to learn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForImageTextToText

from plugins.openvla_oft.tests import around, tiny
from vla_rl_bench_openvla_oft import standin as standin_module
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions
from vla_rl_bench_openvla_oft.policy import make
from vla_rl_bench_openvla_oft.standin_tokenizer import LABEL

pytestmark = pytest.mark.numeric


def test_the_command_writes_a_labelled_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tiny"
    standin_module.main([str(folder), "--image-size", "28", "--keys", "libero_10"])
    assert LABEL in capsys.readouterr().out
    for name in ("README.md", "config.json", "preprocessor_config.json", "tokenizer_config.json"):
        assert LABEL in (folder / name).read_text(), name
    assert list(json.loads((folder / "dataset_statistics.json").read_text())) == ["libero_10"]
    assert AutoConfig.from_pretrained(folder).image_sizes == [28, 28]
    with pytest.raises(SystemExit):
        standin_module.main([str(folder), "--image-size", "30"])


def test_every_name_is_one_of_the_7b_models(standin: Path) -> None:
    names = set(json.loads((tiny.DATA / "openvla_7b_keys.json").read_text()))
    ours = set(load_file(standin / "model.safetensors"))
    assert ours <= names
    config = json.loads((standin / "config.json").read_text())
    assert config["model_type"] == "openvla"
    assert config["text_config"]["vocab_size"] == 32064


def test_transformers_loads_it_by_its_auto_class(standin: Path) -> None:
    assert isinstance(AutoModelForImageTextToText.from_pretrained(standin), OpenVlaForActionPrediction)


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        standin_module.write(tmp_path / name, seed=seed, pixels=28)
    assert torch.equal(before, torch.get_rng_state())

    def bytes_of(name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    assert bytes_of("a") == bytes_of("b")
    assert bytes_of("a")["model.safetensors"] != bytes_of("c")["model.safetensors"]


@pytest.mark.filterwarnings("ignore:.*lm_head puts")
def test_it_learns_what_it_is_shown(standin: Path) -> None:
    """Eight observations, each with an answer of its own: cross-entropy from above ln 256 to below a tenth of it."""
    spec = around.libero()
    policy = make(spec, OpenVlaOftOptions(checkpoint=str(standin), chunk=2), 0)
    inputs = policy.collate(around.observations(spec, 8), [*around.INSTRUCTIONS] * 2)
    answers = torch.randint(256, (8, policy.tokens), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW([one for one in policy.parameters() if one.requires_grad], lr=2e-3)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(policy(inputs).flatten(0, 1), answers.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 5
    assert losses[-1] < 0.5, losses[::10]
