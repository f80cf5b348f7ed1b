"""The policies keep the contract, and their options do what they say."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from plugins.openvla_oft.tests import around, tiny
from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.testing import PolicyContract
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_openvla_oft import images, plugin, statistics
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.policy import OpenVlaOftPolicy, make

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*lm_head puts", "ignore:.*no preprocessor_config.json"),
    pytest.mark.numeric,
]


class TestPlain(PolicyContract):
    """Two cameras of another environment; the others are in test_policy_contract.py."""

    rows, grid = 2, 16

    @pytest.fixture(autouse=True)
    def folder(self, standin: Path) -> None:
        self.options = OpenVlaOftOptions(checkpoint=str(standin), space="plain", chunk=3)

    def spec(self) -> EnvironmentSpec:
        return around.tabletop()

    def make(self) -> TokenPolicy:
        return make(self.spec(), self.options, 0)


def made(folder: Path, **options: object) -> OpenVlaOftPolicy:
    return make(around.libero(), OpenVlaOftOptions(checkpoint=str(folder), **options), 0).eval()  # type: ignore[arg-type]


def inputs_of(policy: OpenVlaOftPolicy, n: int = 2) -> dict[str, torch.Tensor]:
    return policy.collate(around.observations(around.libero(), n), around.INSTRUCTIONS[:n])


def test_both_are_registered_with_their_options() -> None:
    found = Catalog.of(openvla_oft=plugin)
    assert found.policy("openvla-oft").options is OpenVlaOftOptions
    assert found.policy("openvla").options is OpenVlaOptions


def test_the_fixtures_logits_and_actions_through_the_policy(tmp_path: Path) -> None:
    """The references' images and prompts -> its greedy actions, the gripper as the simulator wants it."""
    policy = made(around.fixture_checkpoint(tmp_path / "checkpoint"))
    stored = load_file(tiny.FOLDER / "io.safetensors")
    frames = stored["images_u8"].permute(0, 1, 3, 4, 2).contiguous()
    inputs = {"images": frames, "input_ids": stored["input_ids"], "attention_mask": stored["attention_mask"]}
    with torch.no_grad():
        logits = policy(inputs)
    assert (logits - stored["n1.bidirectional.logits"]).abs().max() < 1e-3
    actions = policy.unnormalize(action_tokens.decode(logits.argmax(-1).numpy()).reshape(-1, 8, 7))
    expected = stored["n1.bidirectional.greedy_actions"].numpy().copy()
    expected[..., 6] = -np.sign(2 * expected[..., 6] - 1)
    assert np.abs(actions - expected).max() < 1e-6


def test_images_go_through_the_training_datas_pipeline(standin: Path) -> None:
    policy, seen = made(standin), around.observations(around.libero(), 2)
    expected = images.preprocess(seen.images["agentview"], jpeg=True, size=56, crop=True)
    collated = policy.collate(seen, around.INSTRUCTIONS[:2])
    assert torch.equal(collated["images"][:, 0], expected)
    assert collated["images"].dtype == torch.uint8
    assert set(collated) == {"images", "input_ids", "attention_mask"}


def test_cameras_stand_in_the_order_of_the_options(proprio_standin: Path) -> None:
    spec = around.robotwin()
    seen = around.observations(spec, 1)
    for named in (("left_camera", "head_camera"), ("head_camera", "left_camera", "right_camera")):
        policy = make(spec, OpenVlaOftOptions(checkpoint=str(proprio_standin), images=named), 0)
        collated = policy.collate(seen, ["push"])["images"]
        assert collated.shape == (1, len(named), 56, 56, 3)
        for place, name in enumerate(named):
            alone = images.preprocess(seen.images[name], jpeg=False, size=56, crop=True)
            assert torch.equal(collated[:, place], alone)


def test_attention_is_as_asked(standin: Path) -> None:
    """Causal: a later action's logits do not change with a longer chunk; bidirectional: they do."""
    for attention, same in (("causal", True), ("bidirectional", False)):
        logits = []
        for chunk in (1, 2):
            policy = made(standin, attention=attention, chunk=chunk)
            with torch.no_grad():
                logits.append(policy(inputs_of(policy))[:, :7])
        assert torch.allclose(*logits, atol=1e-4) == same, attention


def test_kernels_agree(standin: Path) -> None:
    sdpa, eager = made(standin), made(standin, kernel="eager")
    assert eager.model.config.language._attn_implementation == "eager"
    inputs = inputs_of(sdpa)
    with torch.no_grad():
        torch.testing.assert_close(sdpa(inputs), eager(inputs), atol=1e-4, rtol=0)


def test_a_kernel_that_is_not_installed(standin: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there may be a flash-attn here")
    with pytest.raises(UserError, match=r"(?i)flash"):
        made(standin, kernel="flash_attention_2")


def test_gradient_checkpointing_changes_no_gradient(standin: Path) -> None:
    grads = []
    for checkpointing in (False, True):
        policy = made(standin, gradient_checkpointing=checkpointing, chunk=2).train()
        layers = policy.model.language_model.model
        assert layers.gradient_checkpointing == checkpointing
        policy(inputs_of(policy)).square().mean().backward()
        grads.append({name: one.grad for name, one in policy.named_parameters() if one.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, atol=1e-7, rtol=1e-4)


def test_weights_are_held_as_asked(standin: Path) -> None:
    policy = made(standin, weights="bfloat16")
    assert {one.dtype for one in policy.parameters()} == {torch.bfloat16}
    with torch.no_grad():
        logits, exact = policy(inputs_of(policy)), made(standin)(inputs_of(policy))
    assert logits.dtype == torch.float32
    assert (logits - exact).abs().max() < 0.5


def test_what_nothing_computes_is_frozen(standin: Path) -> None:
    still = {name for name, one in made(standin).model.named_parameters() if not one.requires_grad}
    assert any("attn_pool" in name for name in still)
    assert all("featurizer" in name for name in still)


def test_an_export_is_a_checkpoint_again(standin: Path, tmp_path: Path) -> None:
    """After training: identical logits, the same names and companions, also from the export of an export."""
    policy = made(standin)
    with torch.no_grad():
        for one in policy.parameters():
            if one.requires_grad:
                one.mul_(1.1)
    policy.export(tmp_path / "one")
    again = made(tmp_path / "one")
    again.export(tmp_path / "two")
    inputs = inputs_of(policy)
    with torch.no_grad():
        assert torch.equal(again(inputs), policy(inputs))
        assert torch.equal(made(tmp_path / "two")(inputs), policy(inputs))
    names = {path.name for path in standin.iterdir()} - {"README.md"}
    assert {path.name for path in (tmp_path / "one").iterdir()} == names
    assert set(load_file(tmp_path / "one" / "model.safetensors")) == set(load_file(standin / "model.safetensors"))
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("openvla", ["OpenVLAForActionPrediction"])


def test_an_export_has_its_statistics_in_a_file(tmp_path: Path) -> None:
    """Also where the checkpoint had them in its config alone; what config.json holds besides stays."""
    source = around.fixture_checkpoint(tmp_path / "source")
    before = statistics.read(source, None)
    (source / "dataset_statistics.json").unlink()
    made(source).export(tmp_path / "exported")
    assert json.loads((tmp_path / "exported" / "dataset_statistics.json").read_text()) == before
    stored, written = (json.loads((one / "config.json").read_text()) for one in (source, tmp_path / "exported"))
    for key in ("auto_map", "arch_specifier", "norm_stats", "vision_backbone_id", "timm_model_ids"):
        assert written[key] == stored[key], key


def test_an_export_holds_its_proprioception_projector(proprio_standin: Path, tmp_path: Path) -> None:
    spec = around.robotwin()
    policy = make(spec, OpenVlaOftOptions(checkpoint=str(proprio_standin)), 0).eval()
    policy.export(tmp_path / "exported")
    again = make(spec, OpenVlaOftOptions(checkpoint=str(tmp_path / "exported")), 0).eval()
    inputs = policy.collate(around.observations(spec, 1), ["push"])
    with torch.no_grad():
        assert torch.equal(again(inputs), policy(inputs))
        without = make(spec, OpenVlaOftOptions(checkpoint=str(tmp_path / "exported"), proprio=False), 0).eval()
        assert not torch.allclose(without({k: v for k, v in inputs.items() if k != "proprio"}), policy(inputs))


def test_a_forward_of_the_stand_in_is_cheap(standin: Path) -> None:
    """Milliseconds, so that suites run on a CPU; measured 3 ms on one core, allowed two hundred times that."""
    policy = made(standin)
    inputs = inputs_of(policy, 1)
    with torch.no_grad():
        policy(inputs)
        begun = time.perf_counter()
        policy(inputs)
    assert time.perf_counter() - begun < 0.6
