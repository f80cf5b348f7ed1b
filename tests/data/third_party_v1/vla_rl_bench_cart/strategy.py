"""One process on the CPU, without anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench_cart.options import PlainOptions

T = TypeVar("T")


def make(options: PlainOptions) -> Plain:
    torch.set_num_threads(options.threads)
    return Plain()


class OneRank:
    """`vla_rl_bench.interfaces.Ranks`."""

    rank, world = 0, 1
    main = True

    def gather(self, item: T) -> list[T]:
        return [item]

    def agree(self, item: T) -> T:
        return item


class Plain:
    """`vla_rl_bench.interfaces.Strategy`."""

    def __init__(self) -> None:
        self.ranks = OneRank()

    def prepare(
        self,
        policy: TokenPolicy,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        grad_clip: float = 1.0,
    ) -> PlainTrainer:
        return PlainTrainer(policy, betas, weight_decay)

    def place(self, policy: TokenPolicy) -> TokenPolicy:
        policy.eval()  # type: ignore[attr-defined]
        return policy

    def describe(self) -> dict[str, object]:
        return {"name": "plain", "processes": 1, "device": "cpu", "precision": "float32"}


class PlainTrainer:
    """`vla_rl_bench.interfaces.Trainer`."""

    def __init__(self, policy: Any, betas: tuple[float, float], weight_decay: float) -> None:
        self.policy = policy
        self._trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(self._trained, betas=betas, weight_decay=weight_decay)
        self._steps = 0

    @property
    def steps_taken(self) -> int:
        return self._steps

    @contextmanager
    def acting(self) -> Iterator[TokenPolicy]:
        self.policy.eval()
        yield self.policy

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.policy.train()
        logits: Tensor = self.policy(inputs)
        return logits

    def backward(self, loss: Tensor, *, last: bool) -> None:
        loss.backward()

    def step(self, learning_rate: float, grad_clip: float) -> float:
        norm = float(nn.utils.clip_grad_norm_(self._trained, grad_clip))
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._steps += 1
        return norm

    def save(self, path: Path, step: int) -> None:
        saved = {
            "step": step,
            "steps": self._steps,
            "policy": self.policy.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        temporary = path.with_suffix(".tmp")
        torch.save(saved, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> int:
        if not path.exists():
            return 0
        saved = torch.load(path, weights_only=True)
        self.policy.load_state_dict(saved["policy"])
        self._optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        self._steps = saved["steps"]
        return int(saved["step"])

    def trained_state(self) -> dict[str, Tensor]:
        return dict(self.policy.state_dict())
