"""Memory of a micro-batch's logits, from the last layer's states to the log-probs (row F of the benchmarks).

Ours computes 256 action tokens at the answering positions; SimpleVLA-RL the whole vocabulary at every position.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from plugins.openvla_oft.tests.random_model import random_inputs, random_openvla
from tests.benchmarks.support.equivalence import close
from tests.benchmarks.support.peak_memory import peak_bytes
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench_openvla_oft import standin
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction, answers
from vla_rl_bench_openvla_oft.sequence import with_placeholders

pytestmark = pytest.mark.numeric

TEMPERATURE = 1.6  # SimpleVLA-RL
TOKENS, PIXELS = 56, 224  # of a chunk and of an image: OpenVLA-OFT on LIBERO
ROWS = 2


def test_logits_take_a_hundredth_of_the_memory() -> None:
    """A stand-in with small layers, and OpenVLA-OFT's own vocabulary, image size and prompt."""
    config = standin.config(standin.SIZES["tiny"], PIXELS, None)
    cpu = torch.device("cpu")
    model = random_openvla(config, torch.float32, cpu)
    head, words = model.language_model.lm_head, model.config.bin_rows
    tokens = torch.randint(0, 256, (ROWS, TOKENS), generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        states, last = _states(model, random_inputs(config, ROWS, cpu), TOKENS)

        def ours() -> Tensor:
            logits = model.language_model.logits(answers(states, last, TOKENS), words)
            return token_logprobs(logits, tokens, TEMPERATURE)

        def baseline() -> Tensor:
            return over_all_words(head, states, last, tokens, words, TEMPERATURE)

        close("log-probs", ours(), baseline(), 1e-5)  # the first calls also allocate what is allocated once
        assert peak_bytes(baseline) >= 100 * peak_bytes(ours)
    assert (states.shape[1], head.out_features) == (343, 32064)


def _states(model: OpenVlaForActionPrediction, inputs: dict[str, Tensor], tokens: int) -> tuple[Tensor, Tensor]:
    """Compute the states of all positions ``[B, N, hidden]`` and the last position of each prompt ``[B]``."""
    text = with_placeholders(inputs["input_ids"], torch.ones_like(inputs["input_ids"]), tokens)
    channels = torch.cat([inputs["images"].flatten(0, 1).permute(0, 3, 1, 2)] * 2, 1)  # for both vision transformers
    embeds, mask, last = model.embed(text, channels.float() / 255)
    states = model.language_model.model(inputs_embeds=embeds, attention_mask=mask, is_causal=False, use_cache=False)
    return states.last_hidden_state, last


def over_all_words(
    head: nn.Linear, states: Tensor, last: Tensor, tokens: Tensor, words: slice, temperature: float
) -> Tensor:
    """Compute log-probs from logits over all positions and all words, as SimpleVLA-RL does -> float32 ``[B, K*D]``.

    Follows github.com/PRIME-RL/SimpleVLA-RL at 7c51662, ``verl/workers/actor/dp_rob.py``, ``_forward_micro_batch``: the
    model's whole forward gives float32 logits of the whole sequence over 32064 words, of which the K*D answering
    positions and the last 256 words before the padding of the vocabulary are then cut out.

    Args:
        head: The language model's output layer.
        states: ``[B, positions, hidden]``.
        last: int64 ``[B]``, the last position of each prompt: its logits answer the first token.
        tokens: int64 ``[B, K*D]`` in 0..255.
        words: The action tokens' rows of the vocabulary.
        temperature: Of the rollout.
    """
    logits = head(states).float()
    positions = last[:, None] + torch.arange(tokens.shape[1])
    answering = logits.gather(1, positions[..., None].expand(-1, -1, logits.shape[-1]))
    return token_logprobs(answering[..., words], tokens, temperature)
