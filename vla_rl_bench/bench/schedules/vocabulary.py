"""Log-probs of action tokens from logits over all positions and all words, as SimpleVLA-RL makes them.

Follows github.com/PRIME-RL/SimpleVLA-RL at 7c51662, ``verl/workers/actor/dp_rob.py``, ``_forward_micro_batch``: the
model's whole forward gives float32 logits of the whole sequence over 32064 words, of which the K*D positions that
answer and the last 256 words before the padding of the vocabulary are then cut out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.sampling import token_logprobs


def logprobs(head: nn.Linear, states: Tensor, last: Tensor, tokens: Tensor, words: slice, temperature: float) -> Tensor:
    """-> float32 ``[B, K*D]``.

    states: ``[B, positions, hidden]``.  last: int64 ``[B]``, where each prompt ends: its logits answer the first token.
    tokens: int64 ``[B, K*D]`` in 0..255.  words: the action tokens' rows of the vocabulary.
    """
    everything = head(states).float()
    places = last[:, None] + torch.arange(tokens.shape[1])
    answering = everything.gather(1, places[..., None].expand(-1, -1, everything.shape[-1]))
    return token_logprobs(answering[..., words], tokens, temperature)
