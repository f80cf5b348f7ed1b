"""Sampling and scoring of action tokens, at one temperature."""

from __future__ import annotations

from torch import Tensor


def token_logprobs(logits: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    """Compute the log-probs of tokens.

    Args:
        logits: Float ``[B, T, bins]``, not divided by any temperature.
        tokens: int64 ``[B, T]``.
        temperature: Divides the logits.

    Returns:
        Log-probs in nats, float32 ``[B, T]``.
    """
    return (logits.float() / temperature).log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


def token_entropy(logits: Tensor, temperature: float) -> Tensor:
    """Compute the entropy of each token's distribution.

    Args:
        logits: Float ``[B, T, bins]``, not divided by any temperature.
        temperature: Divides the logits.

    Returns:
        Entropy in nats, float32 ``[B, T]``.
    """
    logp = (logits.float() / temperature).log_softmax(-1)
    return -(logp.exp() * logp).sum(-1)


def sample_tokens(logits: Tensor, uniforms: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Sample tokens by inverting the cumulative distribution; deterministic in the logits and the uniforms.

    Args:
        logits: Float ``[B, T, bins]``, not divided by any temperature.
        uniforms: float32 ``[B, T]`` in [0, 1).
        temperature: Divides the logits.

    Returns:
        Tokens int64 and their log-probs in nats float32, both ``[B, T]``.
    """
    logp = (logits.float() / temperature).log_softmax(-1)
    cdf = logp.exp().cumsum(-1)
    tokens = (cdf <= uniforms[..., None] * cdf[..., -1:]).sum(-1).clamp_(max=logits.shape[-1] - 1)
    return tokens, logp.gather(-1, tokens[..., None])[..., 0]
