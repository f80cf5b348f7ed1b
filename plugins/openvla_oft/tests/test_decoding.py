"""Plain OpenVLA: what is drawn step by step is what a forward over the drawn tokens says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from plugins.openvla_oft.tests import tiny
from vla_rl_bench.algorithms.sampling import sample_tokens, token_logprobs
from vla_rl_bench_openvla_oft.decoding import draw, teacher_forced_logits

pytestmark = pytest.mark.numeric

T = 7


def greedy(logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
    logprobs, tokens = logits.log_softmax(-1).max(-1)
    return tokens, logprobs


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_greedy_drawing_is_the_teacher_forced_argmax(kernel: str) -> None:
    model, batch = tiny.model(), tiny.batch()
    model.set_attn_implementation(kernel)
    tokens, logprobs = draw(model, **batch, tokens=T, choose=greedy)
    with torch.no_grad():
        forced = teacher_forced_logits(model, **batch, tokens=tokens)
    assert tokens.shape == (3, T) and forced.shape == (3, T, 256) and forced.dtype == torch.float32
    assert torch.equal(forced.argmax(-1), tokens)
    torch.testing.assert_close(forced.log_softmax(-1).max(-1).values, logprobs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("temperature", [1.0, 1.6])
def test_drawn_logprobs_are_the_teacher_forced_ones_at_that_temperature(temperature: float) -> None:
    model, batch = tiny.model(), tiny.batch()
    uniforms = torch.rand(3, T, generator=torch.Generator().manual_seed(3))
    positions = []

    def choose(logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
        positions.append(first)
        return sample_tokens(logits, uniforms[:, first : first + 1], temperature)

    tokens, logprobs = draw(model, **batch, tokens=T, choose=choose)
    with torch.no_grad():
        forced = teacher_forced_logits(model, **batch, tokens=tokens)
    assert positions == list(range(T))
    torch.testing.assert_close(token_logprobs(forced, tokens, temperature), logprobs, atol=1e-4, rtol=0)


def test_a_row_draws_what_it_draws_alone() -> None:
    model, batch = tiny.model(), tiny.batch()
    together, _ = draw(model, **batch, tokens=T, choose=greedy)
    for row in range(3):
        alone = {name: value[row : row + 1] for name, value in batch.items()}
        alone["input_ids"] = alone["input_ids"][:, alone["attention_mask"][0].bool()]
        alone["attention_mask"] = torch.ones_like(alone["input_ids"])
        assert torch.equal(draw(model, **alone, tokens=T, choose=greedy)[0][0], together[row])


def test_a_token_depends_on_those_before_it_and_on_none_after() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    tokens = torch.randint(0, 256, (2, T), generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[:, 3] = (other[:, 3] + 100) % 256
    with torch.no_grad():
        one, two = (teacher_forced_logits(model, **batch, tokens=drawn) for drawn in (tokens, other))
    changed = (one - two).abs().amax((0, 2)) > 1e-4
    assert changed.tolist() == [False] * 4 + [True] * 3


def test_the_first_token_reads_the_prompt_as_the_causal_chunk_does() -> None:
    model, batch = tiny.random_model(), tiny.random_batch()
    with torch.no_grad():
        chunk = model.action_logits(**batch, tokens=T, causal=True)
        single = teacher_forced_logits(model, **batch, tokens=torch.zeros(2, 1, dtype=torch.int64))
    torch.testing.assert_close(single[:, 0], chunk[:, 0])


def test_drawing_without_kept_keys_and_values_is_refused() -> None:
    model = tiny.random_model().train()
    model.activation_checkpointing_enable()
    with pytest.raises(RuntimeError, match="eval"):
        draw(model, **tiny.random_batch(), tokens=T, choose=greedy)
