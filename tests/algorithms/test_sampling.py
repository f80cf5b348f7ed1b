"""Sampling and scoring share one temperature; the draw follows the distribution."""

import pytest
import torch

from vla_rl_bench.algorithms.sampling import sample_tokens, token_entropy, token_logprobs

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.6])
def test_logprobs_of_a_draw_are_those_of_a_fresh_pass(temperature: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 7, 256) * 3
    tokens, logprobs = sample_tokens(logits, torch.rand(5, 7), temperature)
    torch.testing.assert_close(logprobs, token_logprobs(logits, tokens, temperature), rtol=0, atol=0)


def test_the_draw_follows_the_tempered_distribution() -> None:
    """A regular grid of uniforms must hit each token in proportion to its probability."""
    logits = torch.tensor([2.0, 0.0, -1.0, 1.0])
    n = 10_000
    uniforms = (torch.arange(n) + 0.5)[:, None] / n
    tokens, _ = sample_tokens(logits.expand(n, 1, 4), uniforms, 1.6)
    shares = torch.bincount(tokens[:, 0], minlength=4) / n
    torch.testing.assert_close(shares, (logits / 1.6).softmax(0), atol=2e-4, rtol=0)


def test_extreme_uniforms_stay_in_range() -> None:
    logits = torch.zeros(1, 2, 256)
    tokens, _ = sample_tokens(logits, torch.tensor([[0.0, 1 - 2**-24]]), 1.0)
    assert tokens.tolist() == [[0, 255]]


def test_a_token_without_probability_is_never_drawn() -> None:
    logits = torch.tensor([[[-torch.inf, 0.0, -torch.inf]]]).expand(3, 1, 3)
    tokens, _ = sample_tokens(logits, torch.tensor([[0.0], [0.5], [1 - 2**-24]]), 1.0)
    assert tokens.flatten().tolist() == [1, 1, 1]


def test_entropy_of_a_uniform_head() -> None:
    assert token_entropy(torch.zeros(1, 1, 256), 1.6).item() == pytest.approx(5.545177, abs=1e-5)
