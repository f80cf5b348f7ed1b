"""Options of ``name: openvla-oft`` and ``openvla``.  Light: imported with the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LoraOptions:
    """rank 32 and alpha min(rank, 16): OpenVLA-OFT's finetune.py.  dropout 0 there too."""

    rank: int = 32
    alpha: int = 16
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ValueError("lora: rank and alpha must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("lora: dropout must be from 0 to below 1")


@dataclass(frozen=True)
class OpenVlaOptions:
    """checkpoint: a local folder or a name on the Hugging Face hub; ``{column}`` in it stands for the column's name.

    statistics: key of the checkpoint's norm_stats; None: the one that belongs to the column.
    space: `libero`, `robotwin`, ... of `spaces.py`; None: the one whose dimensions and conventions the environment has.
    images: cameras, in order; None: the space's.  proprio: whether proprioception is fed; None: the space's.
    kernel: `flash_attention_2` needs the flash-attn package and a GPU.
    weights: in which the checkpoint is held; frozen weights may be bfloat16, trained ones keep a float32 master in
    `strategy`.  lora: train adapters instead of all weights.
    probe: one forward at load that measures how much of the head's probability lies on action tokens.
    """

    checkpoint: str
    statistics: str | None = None
    space: str | None = None
    images: tuple[str, ...] | None = None
    proprio: bool | None = None
    kernel: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    gradient_checkpointing: bool = False
    weights: Literal["float32", "bfloat16"] = "float32"
    lora: LoraOptions | None = None
    probe: bool = True

    def __post_init__(self) -> None:
        if self.images is not None and not 1 <= len(self.images) <= 3:  # SimpleVLA-RL: at most head, left, right
            raise ValueError("images: name one to three cameras")


@dataclass(frozen=True)
class OpenVlaOftOptions(OpenVlaOptions):
    """attention: over all tokens, as the checkpoints were trained; `causal` is what stock transformers does.

    chunk: actions a forward answers with; None: the space's.
    """

    attention: Literal["bidirectional", "causal"] = "bidirectional"
    chunk: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk is not None and self.chunk < 1:
            raise ValueError("chunk must be at least 1")
