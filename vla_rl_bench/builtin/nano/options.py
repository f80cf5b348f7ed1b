"""Options of ``policy: {name: nano}``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal


@dataclass(frozen=True)
class NanoOptions:
    """chunk: K, actions per observation.  width, layers, heads: of the transformer.

    stem: image encoder; `patch` is linear on squares of `patch` pixels, `conv` is three convolutions of stride 2 (one
    token per 8 x 8 pixels).  words: instruction tokens; longer instructions are truncated.  rank: of the head.
    weights: `none`, or `tabletop`, the shipped weights that stand for VLA pre-training (see `pretrain.py`); they fit
    only the defaults of all other options.
    """

    chunk: int = 4
    width: int = 64
    layers: int = 2
    heads: int = 2
    stem: Literal["patch", "conv"] = "patch"
    patch: int = 12
    words: int = 9
    rank: int = 32
    weights: Literal["none", "tabletop"] = "none"

    def __post_init__(self) -> None:
        for name in ("chunk", "width", "layers", "heads", "patch", "words", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not positive")
        if self.width % (8 * self.heads):
            raise ValueError(f"width: {self.width} is not a multiple of 8 times heads ({self.heads})")
        for field in fields(self) if self.weights != "none" else ():
            value = getattr(self, field.name)
            if field.name != "weights" and value != field.default:
                raise ValueError(
                    f"{field.name}: {value} does not fit the weights `{self.weights}`, which have {field.default}; "
                    "write that, or weights: none"
                )
