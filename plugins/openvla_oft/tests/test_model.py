"""What the model is, beside the numbers that `verify` compares."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from torch import Tensor, nn

from plugins.openvla_oft.tests import tiny
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.sequence import with_placeholders, with_tail

pytestmark = pytest.mark.numeric


def test_the_7b_model_has_the_checkpoints_names_and_shapes() -> None:
    theirs = {key: tuple(shape) for key, shape in json.loads((tiny.DATA / "openvla_7b_keys.json").read_text()).items()}
    with torch.device("meta"):
        model = OpenVlaForActionPrediction(OpenVlaConfig(text_config={"vocab_size": 32064, "pad_token_id": 32000}))
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert len(theirs) == 982
    assert ours == theirs
    assert sum(value.numel() for value in model.parameters()) == 7_541_237_184
    assert model.config.bin_rows == slice(31744, 32000)


def test_placeholders_follow_each_prompt_and_padding_goes_last() -> None:
    ids = torch.tensor([[9, 9, 1, 5, 6], [1, 7, 8, 4, 3]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    text = with_placeholders(ids, mask, 2)
    assert text.ids[0, :6].tolist() == [1, 5, 6, 1, 1, 2]
    assert text.ids[1].tolist() == [1, 7, 8, 4, 3, 1, 1, 2]
    assert text.mask.tolist() == [[1] * 6 + [0] * 2, [1] * 8]
    assert text.blank.int().tolist() == [[0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 0]]
    assert text.lengths.tolist() == [3, 5]


def test_a_tail_of_nothing_leaves_the_prompts() -> None:
    ids = torch.tensor([[9, 1, 5]])
    text = with_tail(ids, torch.tensor([[0, 1, 1]]), ids[:, :0])
    assert text.ids[0, :2].tolist() == [1, 5]
    assert text.mask.tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("causal", [False, True])
def test_padding_side_and_amount_change_nothing(causal: bool) -> None:
    model, batch = tiny.model(), tiny.batch()
    right = dict(batch)
    order = batch["attention_mask"].argsort(dim=1, descending=True, stable=True)
    right["input_ids"] = nn.functional.pad(batch["input_ids"].gather(1, order), (0, 5), value=32000)
    right["attention_mask"] = nn.functional.pad(batch["attention_mask"].gather(1, order), (0, 5))
    with torch.no_grad():
        ours, theirs = (model.action_logits(**inputs, tokens=tiny.TOKENS, causal=causal) for inputs in (batch, right))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_rows_do_not_influence_each_other() -> None:
    model, batch = tiny.model(), tiny.batch()
    with torch.no_grad():
        together = model.action_logits(**batch, tokens=tiny.TOKENS)
        for row in range(3):
            alone = {name: value[row : row + 1] for name, value in batch.items()}
            torch.testing.assert_close(
                model.action_logits(**alone, tokens=tiny.TOKENS)[0], together[row], atol=1e-4, rtol=0
            )


def test_only_bidirectional_attention_lets_the_first_token_see_the_stop_token() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    seen = []
    for causal in (False, True):
        with torch.no_grad():
            before = model.action_logits(**batch, tokens=4, causal=causal)
            stop = model.language_model.model.embed_tokens.weight[2]
            kept = stop.clone()
            stop.add_(1.0)
            seen.append(not torch.equal(before, model.action_logits(**batch, tokens=4, causal=causal)))
            stop.copy_(kept)
    assert seen == [True, False]


def test_the_placeholders_own_embedding_is_never_read() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    batch["input_ids"][:, 0] = 5  # BOS has the placeholder's id
    with torch.no_grad():
        before = model.action_logits(**batch, tokens=4)
        model.language_model.model.embed_tokens.weight[1] += 1.0
        assert torch.equal(before, model.action_logits(**batch, tokens=4))


@pytest.mark.parametrize("causal", [False, True])
def test_eager_and_sdpa_agree(causal: bool) -> None:
    model, batch = tiny.model(), tiny.batch()
    with torch.no_grad():
        sdpa = model.action_logits(**batch, tokens=tiny.TOKENS, causal=causal)
        model.set_attn_implementation("eager")
        eager = model.action_logits(**batch, tokens=tiny.TOKENS, causal=causal)
    torch.testing.assert_close(sdpa, eager, atol=1e-4, rtol=0)


def gradients(model: OpenVlaForActionPrediction, inputs: dict[str, Tensor], tokens: int) -> dict[str, Tensor]:
    model.zero_grad()
    model.action_logits(**inputs, tokens=tokens).log_softmax(-1)[..., 7].sum().backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_recomputes_and_keeps_gradients(reentrant: bool) -> None:
    model, batch = tiny.random_model().train(), tiny.random_batch()
    plain = gradients(model, batch, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the name is deprecated and still the one that is known
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    ran = [0, 0]
    layers = (model.language_model.model.layers[0].mlp, model.vision_backbone.featurizer.blocks[0].mlp)
    for index, layer in enumerate(layers):
        layer.register_forward_pre_hook(lambda *_, index=index: ran.__setitem__(index, ran[index] + 1))
    checkpointed = gradients(model, batch, 4)
    assert ran == [2, 2]
    assert plain.keys() == checkpointed.keys()
    for name, value in plain.items():
        torch.testing.assert_close(checkpointed[name], value, atol=0, rtol=0)


def test_gradients_reach_all_that_is_computed_and_nothing_else() -> None:
    model = tiny.random_model(use_proprio=True, proprio_dim=5)
    batch = tiny.random_batch() | {"proprio": torch.randn(2, 5)}
    reached = {name for name, value in gradients(model, batch, 4).items() if value.abs().sum() > 0}
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    unused = ("featurizer.blocks.2.", "featurizer.norm.", "attn_pool.")
    assert frozen == {name for name, _ in model.named_parameters() if any(part in name for part in unused)}
    assert reached == {name for name, _ in model.named_parameters()} - frozen


def test_the_heads_gradient_is_zero_outside_the_bins() -> None:
    head = gradients(tiny.random_model(), tiny.random_batch(), 4)["language_model.lm_head.weight"]
    assert head[31744:32000].abs().sum(-1).min() > 0
    assert head[:31744].abs().sum() + head[32000:].abs().sum() == 0


def test_bins_are_rows_of_the_full_logits_and_adapters_on_the_head_count() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    model, batch = tiny.random_model(), tiny.random_batch()
    with torch.no_grad():
        before = model.action_logits(**batch, tokens=4)
        full = model.full_logits(**batch, tokens=4)
        torch.testing.assert_close(before, full[..., 31744:32000])
        inject_adapter_in_model(LoraConfig(r=2, target_modules=["lm_head"], init_lora_weights=False), model)
        adapted = model.action_logits(**batch, tokens=4)
        torch.testing.assert_close(adapted, model.full_logits(**batch, tokens=4)[..., 31744:32000])
    assert (adapted - before).abs().max() > 1e-3


def test_three_images_are_three_times_the_patches() -> None:
    model, batch = tiny.random_model(), tiny.random_batch(images=3)
    with torch.no_grad():
        features = model.patch_features(batch["pixel_values"])
        third = model.patch_features(batch["pixel_values"][:, 12:])
    assert features.shape == (2, 3 * 4, 20)
    torch.testing.assert_close(features[:, 8:], third)


def test_proprio_is_one_more_token_and_is_never_dropped_in_silence() -> None:
    model, batch = tiny.random_model(use_proprio=True, proprio_dim=5), tiny.random_batch()
    with torch.no_grad():
        one, other = (model.action_logits(**batch, tokens=4, proprio=torch.full((2, 5), x)) for x in (0.1, 0.2))
        assert not torch.equal(one, other)
        with pytest.raises(ValueError, match="proprio"):
            model.action_logits(**batch, tokens=4)


def test_proprio_without_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="proprio_dim"):
        tiny.random_model(use_proprio=True)


def test_weights_are_only_read_inside_their_own_modules_forward() -> None:
    """What ZeRO-3 asks of a model: elsewhere parameters are empty."""
    model, batch = tiny.random_model(use_proprio=True, proprio_dim=5), tiny.random_batch()
    batch["proprio"] = torch.randn(2, 5)
    with torch.no_grad():
        expected = model.action_logits(**batch, tokens=4)
    whole = {parameter: parameter.data for parameter in model.parameters()}

    def gather(module: nn.Module, *_: object) -> None:
        for parameter in module.parameters(recurse=False):
            parameter.data = whole[parameter]

    def release(module: nn.Module, *_: object) -> None:
        for parameter in module.parameters(recurse=False):
            parameter.data = torch.empty(0)

    for module in model.modules():
        release(module)
        module.register_forward_pre_hook(gather)
        module.register_forward_hook(release)
    with torch.no_grad():
        assert torch.equal(model.action_logits(**batch, tokens=4), expected)


def test_rotary_frequencies_stay_exact_in_bfloat16() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    rotary = model.language_model.model.rotary_emb
    exact = rotary.inv_freq.clone()
    nn.ModuleList([model]).bfloat16()  # as an outer module is converted, by deepspeed for one
    assert model.language_model.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(rotary.inv_freq, exact) and torch.equal(rotary.original_inv_freq, exact)
    assert not [name for name in model.state_dict() if "inv_freq" in name]
    with torch.no_grad():
        assert model.action_logits(**batch, tokens=4).dtype == torch.float32


def test_a_model_from_the_meta_device_has_its_rotary_frequencies() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    with torch.device("meta"):
        empty = OpenVlaForActionPrediction(model.config)
        empty.to_empty(device="cpu")
    empty.load_state_dict(model.state_dict())
    with torch.no_grad():
        ours, theirs = (one.action_logits(**batch, tokens=4) for one in (empty.eval(), model))
    assert torch.equal(ours, theirs)


def test_autocast_keeps_float32_masters_and_gives_float32_logits() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    exact = model.action_logits(**batch, tokens=4)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.action_logits(**batch, tokens=4)
    rounded.sum().backward()
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.1 * exact.abs().max()
    assert model.projector.fc1.weight.grad is not None and model.projector.fc1.weight.grad.dtype == torch.float32
