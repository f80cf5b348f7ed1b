"""One process, plain torch: a CPU, or one GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vla_rl_bench.builtin.strategies.acting import Placed, module_of
from vla_rl_bench.builtin.strategies.offload import OffloadedAdamW
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.random_state import random_state, restore_random_state
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.engine.distributed import SingleProcess, rank_and_world_size
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import atomic_path
from vla_rl_bench.interfaces import TokenPolicy


def make(options: SingleOptions) -> Single:
    """The entry point."""
    if rank_and_world_size()[1] > 1:
        raise UserError(
            f"strategy: `single` runs in one process, and {rank_and_world_size()[1]} were started. "
            "Write strategy.name=deepspeed, or start it without torchrun."
        )
    return Single(options)


class Single:
    """`vla_rl_bench.interfaces.Strategy`."""

    def __init__(self, options: SingleOptions) -> None:
        self.options, self.ranks = options, SingleProcess()
        self.device = _device(options.device)

    def prepare(
        self,
        policy: TokenPolicy,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        grad_clip: float = 1.0,
    ) -> SingleTrainer:
        module = module_of(policy).to(self.device)
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer_class = OffloadedAdamW if self.options.offload else torch.optim.AdamW
        optimizer = optimizer_class(trained, betas=betas, weight_decay=weight_decay)
        return SingleTrainer(Placed(policy, self.device, self.options.precision), module, optimizer)

    def place(self, policy: TokenPolicy) -> Placed:
        module_of(policy).to(self.device).eval()
        return Placed(policy, self.device, self.options.precision)

    def describe(self) -> dict[str, object]:
        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device)
        return {"name": "single", "processes": 1, "device": device, "precision": self.options.precision}


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"strategy.device: `{name}` cannot be used here ({_first_line(error)}). Write cpu") from None
    return device


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


class SingleTrainer:
    """`vla_rl_bench.interfaces.Trainer`."""

    def __init__(self, policy: Placed, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.policy, self.module, self.optimizer = policy, module, optimizer
        self._trained = [parameter for parameter in module.parameters() if parameter.requires_grad]

    @property
    def steps_taken(self) -> int:
        """From the optimizer's own state, so that it survives a checkpoint."""
        for state in self.optimizer.state.values():
            return int(state["step"])
        return 0

    @contextmanager
    def acting(self) -> Iterator[TokenPolicy]:
        self.module.eval()
        yield self.policy

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.module.train()
        return self.policy(inputs)

    def backward(self, loss: Tensor, *, last: bool) -> None:
        loss.backward()

    def step(self, learning_rate: float, grad_clip: float) -> float:
        norm = float(nn.utils.clip_grad_norm_(self._trained, grad_clip))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def save(self, path: Path, step: int) -> None:
        saved = {
            "step": step,
            "policy": checkpoint.trained_state(self.module),
            "optimizer": self.optimizer.state_dict(),
            "random": random_state(),
        }
        with atomic_path(path) as temporary:
            torch.save(saved, temporary)

    def load(self, path: Path) -> int:
        if checkpoint.shards(path).exists():
            raise UserError(f"{path.parent}: begun with strategy deepspeed; go on with that, or remove the folder")
        if not path.exists():
            return 0
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        checkpoint.load_trained_state(self.module, saved["policy"], path)
        self.optimizer.load_state_dict(saved["optimizer"])
        restore_random_state(saved["random"])
        return int(saved["step"])

    def trained_state(self) -> dict[str, Tensor]:
        return checkpoint.trained_state(self.module)
