"""Drawing action tokens and scoring them, at one temperature."""

from __future__ import annotations

from torch import Tensor


def token_logprobs(logits: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    """logits: ``[B, T, bins]``, undivided.  tokens: int64 ``[B, T]`` -> float32 ``[B, T]`` at this temperature."""
    return (logits.float() / temperature).log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


def token_entropy(logits: Tensor, temperature: float) -> Tensor:
    """logits: ``[B, T, bins]`` -> entropy in nats ``[B, T]`` at this temperature."""
    logp = (logits.float() / temperature).log_softmax(-1)
    return -(logp.exp() * logp).sum(-1)


def sample_tokens(logits: Tensor, uniforms: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Inverse-CDF sampling: one pass, and the draw depends only on the logits and the uniforms handed in.

    logits: ``[B, T, bins]``.  uniforms: float32 ``[B, T]`` in [0, 1).
    -> tokens int64 and log-probs float32, both ``[B, T]``.
    """
    logp = (logits.float() / temperature).log_softmax(-1)
    cdf = logp.exp().cumsum(-1)
    tokens = (cdf <= uniforms[..., None] * cdf[..., -1:]).sum(-1).clamp_(max=logits.shape[-1] - 1)
    return tokens, logp.gather(-1, tokens[..., None])[..., 0]
