"""Layout of the language model's input.

::

    [BOS] [patches of every image] [proprioception?] [rest of the prompt] [tail] [padding]

The tail is, for OpenVLA-OFT, one placeholder for each action token and the stop token; for plain OpenVLA, the action
tokens drawn so far.  The logits of action token i are read one place *before* its own: those of the first at the
prompt's last token (facts: openvla-oft 213c5ff, ``predict_action``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PLACEHOLDER = 1  # its embedding is replaced by zeros
STOP = 2  # </s>, keeps its embedding


@dataclass(frozen=True)
class Text:
    """The words of a batch, without images.  All fields but `lengths` are ``[B, S]``.

    ids: int64.  mask: int64, 1 for what is there, 0 for padding, which is at the end of each row.
    blank: bool, whose embeddings are zeros.  lengths: int64 ``[B]`` of the prompts, BOS included.
    """

    ids: Tensor
    mask: Tensor
    blank: Tensor
    lengths: Tensor


def with_placeholders(input_ids: Tensor, attention_mask: Tensor, tokens: int) -> Text:
    """OpenVLA-OFT's text: prompts ``[B, L]``, padded on either side -> S = L + tokens + 1."""
    tail = torch.full((len(input_ids), tokens + 1), PLACEHOLDER, dtype=torch.int64, device=input_ids.device)
    tail[:, -1] = STOP
    text = with_tail(input_ids, attention_mask, tail)
    place = _places(text)
    return Text(text.ids, text.mask, (place >= 0) & (place < tokens), text.lengths)


def with_tail(input_ids: Tensor, attention_mask: Tensor, tail: Tensor) -> Text:
    """Prompts ``[B, L]``, padded on either side, each followed at once by its tail: int64 ids ``[B, R]``."""
    order = attention_mask.argsort(dim=1, descending=True, stable=True)
    ids = torch.cat([input_ids.gather(1, order), tail], dim=1)
    prompts, lengths = input_ids.shape[1], attention_mask.sum(1)
    column = torch.arange(ids.shape[1], device=ids.device)
    source = torch.where(column < lengths[:, None], column, column - lengths[:, None] + prompts)
    mask = source < ids.shape[1]
    ids = ids.gather(1, source.clamp(max=ids.shape[1] - 1))
    return Text(ids, mask.long(), torch.zeros_like(mask), lengths)


def _places(text: Text) -> Tensor:
    """``[B, S]``: 0 for the first token after the prompt, negative inside the prompt."""
    return torch.arange(text.ids.shape[1], device=text.ids.device) - text.lengths[:, None]
