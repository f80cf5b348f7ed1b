"""AdamW in the host's memory, for weights that live on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn


class OffloadedAdamW(torch.optim.AdamW):
    """AdamW over float32 copies, in host memory, of parameters that may be bfloat16 and on a GPU.

    A step brings the gradients over, updates the copies and sends the weights back; the GPU holds weights and gradients
    only.  The copies are part of the optimizer's state, so a resumed run loses no bits.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], **settings: Any) -> None:
        self._parameters = list(parameters)
        self._masters = [
            parameter.detach().to("cpu", torch.float32, copy=True).requires_grad_() for parameter in parameters
        ]
        super().__init__(self._masters, **settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for master, parameter in zip(self._masters, self._parameters, strict=True):
            master.grad = None if parameter.grad is None else parameter.grad.to("cpu", torch.float32)
        super().step()
        for master, parameter in zip(self._masters, self._parameters, strict=True):
            parameter.copy_(master)
            master.grad = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"masters": [master.detach() for master in self._masters]}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        saved = dict(state_dict)
        for master, parameter, kept in zip(self._masters, self._parameters, saved.pop("masters"), strict=True):
            master.copy_(kept)
            parameter.copy_(master)
        super().load_state_dict(saved)
