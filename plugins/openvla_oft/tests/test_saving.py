"""Folders: what is read comes back the same, with names that peers know."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from plugins.openvla_oft.tests import tiny
from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.proprio import load_proprio_projector, stored_names

pytestmark = pytest.mark.numeric

TINY_VISION = json.loads((tiny.FOLDER / "meta.json").read_text())["vision"]


def load(folder: Path, dtype: torch.dtype = torch.float32) -> OpenVlaForActionPrediction:
    model: OpenVlaForActionPrediction = OpenVlaForActionPrediction.from_pretrained(
        folder, vision=TINY_VISION, dtype=dtype
    )
    return model


@pytest.mark.parametrize("shard", ["1MB", "1GB"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_round_trip_keeps_every_tensor_name_and_logit(tmp_path: Path, shard: str, dtype: torch.dtype) -> None:
    model = load(tiny.FOLDER, dtype)
    model.save_pretrained(tmp_path, max_shard_size=shard)
    assert (tmp_path / "model.safetensors.index.json").is_file() == (shard == "1MB")
    assert stored_names(tmp_path) == set(json.loads((tiny.FOLDER / "keys.json").read_text()))
    written = {name: value for path in tmp_path.glob("*.safetensors") for name, value in load_file(path).items()}
    for name, value in load_file(tiny.FOLDER / "model.safetensors").items():
        assert written[name].dtype == dtype
        assert torch.equal(written[name], value.to(dtype)), name
    batch = tiny.batch()
    with torch.no_grad():
        ours, theirs = (one.action_logits(**batch, tokens=tiny.TOKENS) for one in (model, load(tmp_path, dtype)))
    assert torch.equal(ours, theirs)


def test_peers_find_in_config_json_what_their_code_reads(tmp_path: Path) -> None:
    load(tiny.FOLDER, torch.bfloat16).save_pretrained(tmp_path)
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (tiny.FOLDER, tmp_path))
    kept = (
        "architectures", "auto_map", "arch_specifier", "vision_backbone_id", "llm_backbone_id", "hf_llm_id",
        "timm_model_ids", "timm_override_act_layers", "image_sizes", "image_resize_strategy", "n_action_bins",
        "norm_stats", "pad_token_id", "pad_to_multiple_of", "llm_max_length", "use_fused_vision_backbone",
        "model_type", "torch_dtype",
    )  # fmt: skip
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after["text_config"] | before["text_config"] == after["text_config"] | {"model_type": "llama"}


def test_auto_classes_know_the_checkpoint_without_its_code() -> None:
    assert AutoConfig.from_pretrained(tiny.FOLDER).model_type == "openvla"
    model = AutoModelForImageTextToText.from_pretrained(tiny.FOLDER, vision=TINY_VISION, dtype=torch.bfloat16)
    assert isinstance(model, OpenVlaForActionPrediction)


def test_loading_leaves_nothing_uninitialised_and_unused_weights_frozen() -> None:
    model = load(tiny.FOLDER, torch.bfloat16)
    config = model.config.language
    expected = 1e4 ** -(torch.arange(0, config.head_dim, 2) / config.head_dim)
    buffers = dict(model.named_buffers())
    assert {name.rsplit(".", 1)[-1] for name in buffers} == {"inv_freq", "original_inv_freq"}
    for value in buffers.values():
        torch.testing.assert_close(value, expected)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    published = json.loads((tiny.FOLDER / "meta.json").read_text())["results"]["n1.bidirectional.ppo"]
    assert frozen == set(published["no_grad_params"])


def test_bfloat16_gives_nearly_the_float32_logits() -> None:
    batch = tiny.batch()
    with torch.no_grad():
        exact = load(tiny.FOLDER).action_logits(**batch, tokens=tiny.TOKENS)
        rounded = load(tiny.FOLDER, torch.bfloat16).action_logits(**batch, tokens=tiny.TOKENS)
    assert rounded.dtype == torch.float32
    # measured: 0.057; each of some hundred operations in a row rounds to 8 bits, 0.4 %
    assert (rounded - exact).abs().mean() < 0.1 * exact.std()


@pytest.fixture
def with_proprio(tmp_path: Path) -> tuple[OpenVlaForActionPrediction, Path]:
    model = tiny.random_model(use_proprio=True, proprio_dim=14)
    model.save_pretrained(tmp_path)
    return model, tmp_path


def reload(folder: Path) -> OpenVlaForActionPrediction:
    model: OpenVlaForActionPrediction = OpenVlaForActionPrediction.from_pretrained(folder, dtype=torch.float32)
    load_proprio_projector(model, folder)
    return model


def test_a_proprio_projector_inside_the_weights_is_read(with_proprio: tuple[OpenVlaForActionPrediction, Path]) -> None:
    model, folder = with_proprio
    assert torch.equal(reload(folder).proprio_projector.fc1.weight, model.proprio_projector.fc1.weight)


def take_apart(folder: Path, prefix: str) -> Path:
    """Move the proprioception projector out of the weights, into a file of its own."""
    weights = load_file(folder / "model.safetensors")
    inside = {name for name in weights if name.startswith("proprio_projector.")}
    outside = {prefix + name.removeprefix("proprio_projector."): weights.pop(name).clone() for name in inside}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    path = folder / "proprio_projector--150000_checkpoint.pt"
    torch.save(outside, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_proprio_projector_beside_the_weights_is_read(
    with_proprio: tuple[OpenVlaForActionPrediction, Path], prefix: str
) -> None:
    model, folder = with_proprio
    take_apart(folder, prefix)
    loaded = reload(folder)
    for ours, theirs in zip(loaded.proprio_projector.parameters(), model.proprio_projector.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_missing_doubled_or_misshapen_proprio_projector_is_refused(
    with_proprio: tuple[OpenVlaForActionPrediction, Path],
) -> None:
    _, folder = with_proprio
    path = take_apart(folder, "")
    twin = folder / "proprio_projector--2_checkpoint.pt"
    shutil.copy(path, twin)
    with pytest.raises(UserError, match="more than one"):
        reload(folder)
    twin.unlink()
    torch.save({"fc1.weight": torch.zeros(16, 8)}, path)
    with pytest.raises(UserError, match="space"):
        reload(folder)
    path.unlink()
    with pytest.raises(UserError, match=r"policy\.proprio: false"):
        reload(folder)


def test_a_model_without_proprio_needs_no_projector() -> None:
    load_proprio_projector(load(tiny.FOLDER), tiny.FOLDER)
