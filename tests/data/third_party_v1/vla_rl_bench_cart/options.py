"""The options of the cart, the policy and the strategy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CartOptions:
    """tolerance: distance from the middle of the mark that counts as reached, in units of the half track."""

    tolerance: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance: {self.tolerance:g} is not between 0 and 1")


@dataclass(frozen=True)
class LinearOptions:
    """chunk: actions per observation.  width: of the hidden layer."""

    chunk: int = 2
    width: int = 32


@dataclass(frozen=True)
class PlainOptions:
    """threads: of torch."""

    threads: int = 1
