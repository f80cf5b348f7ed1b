"""Adapters: where they are, that only they are trained, and that merging them changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from plugins.openvla_oft.tests import around
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.engine.checkpoint import load_policy, save_policy, trained_state
from vla_rl_bench_openvla_oft.options import LoraOptions, OpenVlaOftOptions
from vla_rl_bench_openvla_oft.policy import OpenVlaOftPolicy, make

pytestmark = [pytest.mark.filterwarnings("ignore:.*lm_head puts"), pytest.mark.numeric]
SPEC = around.libero()
SMALL = LoraOptions(rank=4, alpha=4)


def made(folder: Path, *, seed: int = 0, lora: LoraOptions | None = SMALL, **options: object) -> OpenVlaOftPolicy:
    return make(SPEC, OpenVlaOftOptions(checkpoint=str(folder), lora=lora, **options), seed)  # type: ignore[arg-type]


def shaken(policy: OpenVlaOftPolicy) -> OpenVlaOftPolicy:
    """Adapters as after a training that did much."""
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for one in policy.parameters():
            if one.requires_grad:
                one.add_(0.05 * torch.randn(one.shape, generator=draw))
    return policy


def logprobs(policy: OpenVlaOftPolicy) -> Tensor:
    inputs = policy.collate(around.observations(SPEC, 3), around.INSTRUCTIONS[:3])
    with torch.no_grad():
        logits = policy.eval()(inputs)
    tokens = torch.randint(256, logits.shape[:2], generator=torch.Generator().manual_seed(0))
    return token_logprobs(logits, tokens, 1.0)


def test_every_linear_layer_that_is_computed_but_the_head(standin: Path) -> None:
    bare, adapted = made(standin, lora=None), made(standin)
    linear = {
        name
        for name, module in bare.model.named_modules()
        if isinstance(module, nn.Linear) and module.weight.requires_grad
    }
    found = {name.split(".lora_A")[0] for name, _ in adapted.model.named_parameters() if ".lora_A" in name}
    assert found == linear - {"language_model.lm_head"}
    assert any("featurizer" in name for name in found) and "projector.fc1" in found
    assert not any("attn_pool" in name or ".blocks.1." in name for name in found), "never computed: depth 2"


def test_only_adapters_are_trained_and_saved(standin: Path) -> None:
    policy = made(standin)
    state = trained_state(policy)
    assert state and all(".lora_" in name for name in state)
    inputs = policy.collate(around.observations(SPEC, 2), around.INSTRUCTIONS[:2])
    shaken(policy)(inputs).square().mean().backward()
    assert all((one.grad is not None) == one.requires_grad for one in policy.parameters())


def test_at_first_adapters_change_nothing(standin: Path) -> None:
    assert torch.equal(logprobs(made(standin)), logprobs(made(standin, lora=None)))


def test_the_seed_draws_them(standin: Path) -> None:
    one, same, other = (trained_state(made(standin, seed=seed)) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_saving_and_loading_changes_no_logprob(standin: Path, tmp_path: Path) -> None:
    policy = shaken(made(standin))
    save_policy(tmp_path / "policy.safetensors", policy)
    fresh = made(standin, seed=9)
    load_policy(tmp_path / "policy.safetensors", fresh)
    assert torch.equal(logprobs(fresh), logprobs(policy))
    assert not torch.allclose(logprobs(policy), logprobs(made(standin)), atol=0.1), "the adapters do something"


def test_merging_changes_no_logprob_and_no_name(standin: Path, tmp_path: Path) -> None:
    policy = shaken(made(standin))
    before = logprobs(policy)
    policy.export(tmp_path / "merged")
    assert torch.equal(logprobs(policy), before), "the policy goes on with its adapters"
    stored, source = load_file(tmp_path / "merged" / "model.safetensors"), load_file(standin / "model.safetensors")
    assert {name: value.shape for name, value in stored.items()} == {name: one.shape for name, one in source.items()}
    merged = logprobs(made(tmp_path / "merged", lora=None))
    torch.testing.assert_close(merged, before, atol=1e-4, rtol=0)


def test_a_bfloat16_base_has_float32_adapters(standin: Path, tmp_path: Path) -> None:
    policy = shaken(made(standin, weights="bfloat16"))
    for name, one in policy.named_parameters():
        assert one.dtype == (torch.float32 if ".lora_" in name else torch.bfloat16), name
    assert logprobs(policy).dtype == torch.float32
    assert logprobs(policy).isfinite().all()
    policy.export(tmp_path / "merged")
    assert {one.dtype for one in load_file(tmp_path / "merged" / "model.safetensors").values()} == {torch.bfloat16}
    inputs = policy.collate(around.observations(SPEC, 2), around.INSTRUCTIONS[:2])
    policy(inputs).square().mean().backward()
    assert all(one.grad is not None for one in policy.parameters() if one.requires_grad)


def test_dropout_acts_in_training_alone(standin: Path) -> None:
    policy = shaken(made(standin, lora=replace(SMALL, dropout=0.5)))
    inputs = policy.collate(around.observations(SPEC, 1), ["push"])
    with torch.no_grad():
        assert torch.equal(policy.eval()(inputs), policy(inputs))
        assert not torch.equal(policy.train()(inputs), policy(inputs))
