"""Instructions -> vocabulary ids, through the checkpoint's own tokenizer.

Sources: openvla-oft, openvla_utils.py (`get_vla_action`) and modeling_prismatic.py (`predict_action`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from vla_rl_bench.errors import UserError

BOS = 1  # Llama 2: <s>
EMPTY = 29871  # Llama 2: the word "▁", with which every prompt of the training data ended
PAD = 32000  # OpenVLA added <PAD>
TEMPLATE = "In: What action should the robot take to {instruction}?\nOut:"
CACHED = 4096  # instructions; the paper's suites have fewer than a thousand

Encode = Callable[[str], list[int]]


class Prompts:
    """Instructions ``[B]`` -> ids and mask, int64 ``[B, L]``, padded on the right."""

    def __init__(self, encode: Encode) -> None:
        self.ids = lru_cache(maxsize=CACHED)(lambda instruction: tuple(prompt_ids(encode, instruction)))

    def __call__(self, instructions: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows = [self.ids(instruction) for instruction in instructions]
        ids = torch.full((len(rows), max(map(len, rows))), PAD, dtype=torch.int64)
        for row, said in zip(ids, rows, strict=True):
            row[: len(said)] = torch.tensor(said)
        lengths = torch.tensor([len(said) for said in rows])
        return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def prompt_ids(encode: Encode, instruction: str) -> list[int]:
    """BOS first, 29871 last: each is added where the tokenizer did not give it."""
    ids = encode(TEMPLATE.format(instruction=instruction.lower()))
    if ids[:1] != [BOS]:
        ids = [BOS, *ids]
    return ids if ids[-1] == EMPTY else [*ids, EMPTY]


def tokenizer(folder: Path) -> Encode:
    """The checkpoint's: tokenizer.json as it is written; without one, what transformers makes of the folder."""
    path = folder / "tokenizer.json"
    if path.is_file():
        from tokenizers import Tokenizer

        encode = Tokenizer.from_file(str(path)).encode
        return lambda text: list(encode(text).ids)
    try:
        from transformers import AutoTokenizer

        made = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"policy.checkpoint: {folder} has no tokenizer that can be read ({reason}). Copy tokenizer.json of "
            "openvla/openvla-7b there"
        ) from None
    return lambda text: list(made(text).input_ids)
