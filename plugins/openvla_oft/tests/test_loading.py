"""What is refused at load: each with its reason, in one line."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from plugins.openvla_oft.tests import around
from vla_rl_bench.errors import UserError
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_openvla_oft import loading, probe, standin
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.policy import OpenVlaOftPolicy, make, make_autoregressive
from vla_rl_bench_openvla_oft.proprio import PREFIX
from vla_rl_bench_openvla_oft.spaces import CheckpointWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*lm_head puts:vla_rl_bench_openvla_oft.spaces.CheckpointWarning")


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refused:
        call()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def made(folder: Path | str, spec: EnvironmentSpec, **options: object) -> OpenVlaOftPolicy:
    return make(spec, OpenVlaOftOptions(checkpoint=str(folder), **options), 0)  # type: ignore[arg-type]


@pytest.fixture
def copied(standin: Path, tmp_path: Path) -> Path:
    """A stand-in to spoil."""
    return Path(shutil.copytree(standin, tmp_path / "checkpoint"))


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_no_such_folder(tmp_path: Path) -> None:
    said = refusal(lambda: made(tmp_path / "none", around.libero()))
    assert "no folder" in said and "vla_rl_bench_openvla_oft.standin" in said


def test_no_such_name_on_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Offline, the message says what to type where there is a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    said = refusal(lambda: made("openvla/openvla-7b", around.libero()))
    assert "hf download openvla/openvla-7b --local-dir FOLDER" in said


@pytest.mark.parametrize("name", ["./a/b", "/a/b", "~/a/b", "a", "a/b/c", "a/b/"])
def test_a_path_is_never_asked_of_the_hub(name: str) -> None:
    assert not loading._hub_name(name)


def test_another_models_checkpoint(copied: Path) -> None:
    change_config(copied, model_type="llama")
    assert "is a `llama` checkpoint" in refusal(lambda: made(copied, around.libero()))
    (copied / "config.json").unlink()
    assert "has no config.json" in refusal(lambda: made(copied, around.libero()))


def test_a_missing_statistics_key(standin: Path) -> None:
    said = refusal(lambda: made(standin, around.libero(), statistics="libero_spatail_no_noops"))
    assert "Did you mean `libero_spatial_no_noops`" in said and "libero_90_no_noops" in said
    column = replace(around.libero(), suite="bridge")
    assert "no statistics `bridge`" in refusal(lambda: made(standin, column))


def test_a_wrong_action_dimension(standin: Path) -> None:
    said = refusal(lambda: made(standin, around.robotwin(), statistics="libero_10_no_noops", proprio=False))
    assert "7-dimensional actions, environment `robotwin` has 14" in said
    said = refusal(lambda: made(standin, around.robotwin(), space="libero"))
    assert "`libero` has actions of 7 dimensions, environment `robotwin` has 14" in said


def test_a_missing_proprioception_projector(standin: Path) -> None:
    said = refusal(lambda: made(standin, around.libero(), proprio=True))
    assert "proprio_projector" in said and "policy.proprio: false" in said


def test_a_proprioception_projector_of_its_own(proprio_standin: Path, tmp_path: Path) -> None:
    """As OpenVLA-OFT stores it, beside the weights and under `module.`: the same logits as from inside them."""
    folder = Path(shutil.copytree(proprio_standin, tmp_path / "checkpoint"))
    weights = load_file(folder / "model.safetensors")
    apart = {f"module.{key.removeprefix(PREFIX)}": weights.pop(key) for key in list(weights) if key.startswith(PREFIX)}
    assert apart
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    torch.save(apart, folder / "proprio_projector--10000_checkpoint.pt")
    spec = around.robotwin()
    inside, beside = made(proprio_standin, spec).eval(), made(folder, spec).eval()
    inputs = inside.collate(around.observations(spec, 2), ["push", "lift the pot"])
    assert inputs["proprio"].shape == (2, 14)
    with torch.no_grad():
        assert torch.equal(inside(inputs), beside(inputs))


def test_proprioception_that_is_not_fed_is_warned_of(proprio_standin: Path) -> None:
    with pytest.warns(CheckpointWarning, match=r"trained with proprioception.*policy.proprio: true"):
        made(proprio_standin, around.robotwin(), proprio=False)


def test_the_wrong_number_of_proprioception(standin: Path) -> None:
    fewer = replace(around.libero(), proprio=around.libero().proprio[:5])
    assert "8 numbers, environment `libero` gives 5" in refusal(lambda: made(standin, fewer, proprio=True))
    other = replace(around.libero(), proprio=("eef_x: metres", *around.libero().proprio[1:]))
    said = refusal(lambda: made(standin, other, proprio=True))
    assert "(metres from the robot's base - 0.55) / 0.25" in said and "`eef_x: metres`" in said


def test_plain_openvla_has_no_proprioception(standin: Path) -> None:
    options = OpenVlaOptions(checkpoint=str(standin), proprio=True)
    assert "no token of proprioception" in refusal(lambda: make_autoregressive(around.libero(), options, 0))


def test_an_l1_regression_fine_tune(copied: Path) -> None:
    (copied / "action_head--150000_checkpoint.pt").touch()
    said = refusal(lambda: made(copied, around.libero()))
    assert "action_head--150000_checkpoint.pt" in said and "L1 regression" in said and "0.00" in said


def test_a_small_mass_is_warned_of_with_its_number(standin: Path) -> None:
    with pytest.warns(CheckpointWarning, match=r"lm_head puts 0\.0\d+ of its probability on the 256 action tokens"):
        made(standin, around.libero())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(standin, around.libero(), probe=False)


def test_a_trained_head_is_not_warned_of(copied: Path) -> None:
    """Rows of the action tokens that outweigh all others, also beside an L1 head."""
    weights = load_file(copied / "model.safetensors")
    head = weights["language_model.lm_head.weight"]
    policy = made(copied, around.libero()).eval()
    spec = around.libero()
    inputs = policy.collate(around.observations(spec, 1), ["push"])
    before = policy.mass_on_bins(inputs)
    with torch.no_grad():
        logits = policy.model.full_logits(
            inputs["input_ids"], inputs["attention_mask"], policy.pixel_values(inputs), policy.tokens
        )
    by_hand = (logits.exp()[..., 31744:32000].sum(-1) / logits.exp().sum(-1)).mean()
    assert abs(before - float(by_hand)) < 1e-5
    head[:31744] = 0
    head[32000:] = 0
    head[31744:32000] *= 30
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    (copied / "action_head--150000_checkpoint.pt").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = made(copied, around.libero()).eval()
    assert policy.mass_on_bins(inputs) > probe.WARN_BELOW


def test_weights_that_are_missing(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    del weights["language_model.lm_head.weight"]
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    said = refusal(lambda: made(copied, around.libero()))
    assert "lacks 1 of the model's tensors, the first is `language_model.lm_head.weight`" in said
    (copied / "model.safetensors").unlink()
    assert "holds no model.safetensors" in refusal(lambda: made(copied, around.libero()))


def test_weights_of_another_size(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["projector.fc3.bias"] = torch.zeros(3)
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    assert "cannot be loaded" in refusal(lambda: made(copied, around.libero()))


def test_a_sharded_checkpoint(tmp_path: Path) -> None:
    whole, sharded = tmp_path / "whole", tmp_path / "sharded"
    standin.write(whole)
    standin.write(sharded, shard="5MB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    spec = around.libero()
    one, many = made(whole, spec).eval(), made(sharded, spec).eval()
    inputs = one.collate(around.observations(spec, 1), ["push"])
    with torch.no_grad():
        assert torch.equal(one(inputs), many(inputs))
    lost = next(sharded.glob("model-00001-*"))
    whole_bytes = lost.read_bytes()
    lost.write_bytes(whole_bytes[:-4000])
    assert "cannot be loaded" in refusal(lambda: made(sharded, spec))
    lost.unlink()
    assert f"holds no {lost.name}" in refusal(lambda: made(sharded, spec))


def test_images_normalized_as_the_checkpoint_says(copied: Path) -> None:
    path = copied / "preprocessor_config.json"
    stored = json.loads(path.read_text())
    stored["tvf_normalize_params"][0]["mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(stored))
    assert torch.equal(made(copied, around.libero()).means[0], torch.tensor([0.1, 0.2, 0.3]))
    path.write_text(json.dumps({"tvf_normalize_params": []}))
    assert "two entries" in refusal(lambda: made(copied, around.libero()))
    path.unlink()
    with pytest.warns(CheckpointWarning, match="no preprocessor_config.json"):
        assert made(copied, around.libero()).means[0, 0] == 0.484375
