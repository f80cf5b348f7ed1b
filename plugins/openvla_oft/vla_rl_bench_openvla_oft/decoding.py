"""Plain OpenVLA (arXiv 2406.09246): tokens one after another, each seeing what stands before it.

Same weights and prompt as OpenVLA-OFT, but causal attention, no placeholders, and the drawn tokens are fed back as
words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import DynamicCache

from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction, answers
from vla_rl_bench_openvla_oft.sequence import with_tail

Choose = Callable[[Tensor, int], tuple[Tensor, Tensor]]  # see `vla_rl_bench.interfaces.TokenPolicy`


def teacher_forced_logits(
    model: OpenVlaForActionPrediction,
    input_ids: Tensor,
    attention_mask: Tensor,
    pixel_values: Tensor,
    tokens: Tensor,
) -> Tensor:
    """Logits of every token after the tokens before it.  tokens: int64 ``[B, T]`` in 0..255 -> float32 ``[B, T, 256]``.

    The other arguments: see `OpenVlaForActionPrediction`.
    """
    text = with_tail(input_ids, attention_mask, _words(model, tokens[:, :-1]))
    embeds, mask, last = model.embed(text, pixel_values)
    states = model.language_model.model(
        inputs_embeds=embeds, attention_mask=mask, is_causal=True, use_cache=False
    ).last_hidden_state
    return model.language_model.logits(answers(states, last, tokens.shape[1]), model.config.bin_rows)


@torch.no_grad()
def draw(
    model: OpenVlaForActionPrediction,
    input_ids: Tensor,
    attention_mask: Tensor,
    pixel_values: Tensor,
    tokens: int,
    choose: Choose,
) -> tuple[Tensor, Tensor]:
    """Draw `tokens` tokens -> tokens in 0..255 and their log-probs, both ``[B, tokens]``; keys and values are kept.

    choose: ``(logits [B, 1, 256], position) -> tokens [B, 1], log-probs [B, 1]``.
    """
    decoder = model.language_model.model
    if decoder.training and decoder.gradient_checkpointing:
        raise RuntimeError("gradient checkpointing drops the keys and values kept while drawing: call eval() first")
    steps = Steps(model, input_ids, attention_mask, pixel_values)
    chosen: list[tuple[Tensor, Tensor]] = []
    for position in range(tokens):
        logits = steps.next_token_logits(chosen[-1][0] if chosen else None)
        chosen.append(choose(logits, position))
    return torch.cat([tokens for tokens, _ in chosen], 1), torch.cat([logprobs for _, logprobs in chosen], 1)


class Steps:
    """A batch whose prompts were read and whose tokens are read one at a time.

    Prompts end at different places and padding follows them; the tokens stand behind all of it.  The padding is masked
    and every token is told its own place, so a row answers as it would alone.
    """

    def __init__(
        self, model: OpenVlaForActionPrediction, input_ids: Tensor, attention_mask: Tensor, pixel_values: Tensor
    ) -> None:
        text = with_tail(input_ids, attention_mask, input_ids[:, :0])
        self.model, self.cache = model, DynamicCache(config=model.config.language)
        self.embeds, self.mask, self.last = model.embed(text, pixel_values)

    def next_token_logits(self, token: Tensor | None) -> Tensor:
        """token: int64 ``[B, 1]`` in 0..255, drawn from the last logits; None at first -> float32 ``[B, 1, 256]``."""
        if token is None:
            states = answers(self._read(self.embeds, None), self.last, 1)
        else:
            self.last = self.last + 1
            self.mask = torch.cat([self.mask, torch.ones_like(token)], dim=1)
            words = self.model.language_model.model.embed_tokens(_words(self.model, token))
            states = self._read(words, self.last[:, None])
        return self.model.language_model.logits(states, self.model.config.bin_rows)

    def _read(self, embeds: Tensor, places: Tensor | None) -> Tensor:
        states: Tensor = self.model.language_model.model(
            inputs_embeds=embeds,
            attention_mask=self.mask,
            position_ids=places,
            past_key_values=self.cache,
            is_causal=True,
            use_cache=True,
        ).last_hidden_state
        return states


def _words(model: OpenVlaForActionPrediction, tokens: Tensor) -> Tensor:
    """Tokens 0..255 -> vocabulary ids 31744..31999."""
    first: int = model.config.bin_rows.start
    return tokens + first
