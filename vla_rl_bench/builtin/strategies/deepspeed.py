"""Several processes with DeepSpeed: ZeRO 1, 2 or 3, on GPUs (NCCL) or CPUs (gloo)."""

from __future__ import annotations

import copy
import os
import shutil
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vla_rl_bench.builtin.strategies.acting import Placed, autocast, module_of
from vla_rl_bench.builtin.strategies.options import DeepSpeedOptions
from vla_rl_bench.builtin.strategies.random_state import random_state, restore_random_state
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.engine.distributed import DistributedRanks, rank_and_world_size
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import read_json, write_json
from vla_rl_bench.interfaces import TokenPolicy


def make(options: DeepSpeedOptions) -> DeepSpeed:
    """Make the strategy; without a launcher it runs in one process."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # set explicitly, so DeepSpeed does not warn
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")  # DeepSpeed's calls
    import deepspeed

    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")):
        os.environ.setdefault(name, value)
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    if rank_and_world_size()[1] == 1:
        os.environ.setdefault("MASTER_PORT", str(_free_port()))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    deepspeed.init_distributed(dist_backend=backend, verbose=False)
    return DeepSpeed(options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DeepSpeed:
    """`vla_rl_bench.interfaces.Strategy`."""

    def __init__(self, options: DeepSpeedOptions) -> None:
        self.options, self.ranks = options, DistributedRanks()
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(self.device)

    def prepare(
        self,
        policy: TokenPolicy,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        grad_clip: float = 1.0,
    ) -> DeepSpeedTrainer:
        return DeepSpeedTrainer(self, policy, {"betas": betas, "weight_decay": weight_decay}, grad_clip)

    def place(self, policy: TokenPolicy) -> Placed:
        module_of(policy).to(self.device).eval()
        return Placed(policy, self.device, self.options.precision)

    def describe(self) -> dict[str, object]:
        import deepspeed

        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device)
        return {
            "name": f"deepspeed-zero{self.options.zero}",
            "processes": self.ranks.world,
            "device": device,
            "precision": self.options.precision,
            "deepspeed": deepspeed.__version__,
        }

    def config(self, grad_clip: float) -> dict[str, Any]:
        """DeepSpeed's configuration.  Batch sizes are 1: `backward` and `step` define the mini-batches."""
        zero: dict[str, Any] = {"stage": self.options.zero}
        if self.options.offload:
            zero["offload_optimizer"] = {"device": "cpu", "pin_memory": self.device.type == "cuda"}
        return {
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            "gradient_clipping": grad_clip,
            "bf16": {"enabled": self.options.precision == "bfloat16"},
            "zero_optimization": zero,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,  # torch's AdamW everywhere: the same numbers as `single`
        }


class _Cast(nn.Module):
    """The policy under the run's precision: DeepSpeed switches an autocast around its engine off."""

    def __init__(self, policy: nn.Module, device: torch.device, precision: str) -> None:
        super().__init__()
        self.policy, self._device, self._precision = policy, device, precision

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        with autocast(self._device, self._precision):
            logits: Tensor = self.policy(inputs)
            return logits


class DeepSpeedTrainer:
    """`vla_rl_bench.interfaces.Trainer`.

    Under ZeRO-3 a forward gathers weights from all ranks, and rollouts do not keep step; so a whole copy of the policy
    acts, brought up to date when a rollout begins (2 bytes a parameter in bfloat16).
    """

    def __init__(self, strategy: DeepSpeed, policy: TokenPolicy, adam: dict[str, Any], grad_clip: float) -> None:
        import deepspeed

        self._deepspeed, self._ranks, self._grad_clip = deepspeed, strategy.ranks, grad_clip
        self._module = module_of(policy).to(strategy.device)
        self._frozen = checkpoint.frozen(self._module)
        precision, device = strategy.options.precision, strategy.device
        acting: Any = policy
        if strategy.options.zero == 3:
            acting = copy.deepcopy(self._module).requires_grad_(False)
            if precision == "bfloat16":
                for parameter in acting.parameters():  # and not the buffers, which hold numbers and not weights
                    parameter.data = parameter.data.bfloat16()
        self._replica = acting if strategy.options.zero == 3 else None
        self.policy = Placed(acting, device, precision)
        trained = [parameter for parameter in self._module.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, **adam)
        self._engine: Any = deepspeed.initialize(
            model=_Cast(self._module, device, precision), optimizer=optimizer, config=strategy.config(grad_clip)
        )[0]

    @property
    def steps_taken(self) -> int:
        return int(self._engine.global_steps)

    @contextmanager
    def acting(self) -> Iterator[TokenPolicy]:
        self._module.eval()
        if self._replica is not None:
            self._refresh(self._replica.eval())
        yield self.policy

    def _refresh(self, replica: nn.Module) -> None:
        """Copy what training changes; frozen weights are the same already."""
        copies = dict(replica.named_parameters())
        for name, parameter in self._module.named_parameters():
            if name not in self._frozen:
                with self._whole(parameter), torch.no_grad():
                    copies[name].copy_(parameter)

    def _whole(self, parameter: nn.Parameter) -> Any:
        return self._deepspeed.zero.GatheredParameters([parameter], enabled=self._replica is not None)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self._engine.train()
        logits: Tensor = self._engine(self.policy.to_device(inputs))
        return logits

    def backward(self, loss: Tensor, *, last: bool) -> None:
        self._engine.set_gradient_accumulation_boundary(is_boundary=last)
        self._engine.backward(loss * self._ranks.world)  # DeepSpeed averages over ranks; the loss is a sum

    def step(self, learning_rate: float, grad_clip: float) -> float:
        if grad_clip != self._grad_clip:
            raise ValueError(f"prepared for a gradient norm of {self._grad_clip}, not {grad_clip}")
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def save(self, path: Path, step: int) -> None:
        """A folder with files of each rank; ``latest.json`` is replaced when all have written theirs."""
        folder = checkpoint.shards(path)
        tag = f"step-{step}"
        self._engine.save_checkpoint(str(folder), tag=tag, save_latest=False, exclude_frozen_parameters=True)
        torch.save(random_state(), folder / tag / f"random-{self._ranks.rank}.pt")
        self._ranks.all_gather(None)  # all ranks have written
        if self._ranks.main:
            write_json(folder / "latest.json", {"tag": tag, "step": step, "world": self._ranks.world})
            for old in folder.glob("step-*"):
                if old.name != tag:
                    shutil.rmtree(old, ignore_errors=True)

    def load(self, path: Path) -> int:
        folder = checkpoint.shards(path)
        if path.exists():
            raise UserError(f"{path.parent}: begun with strategy single; go on with that, or remove the folder")
        if not (folder / "latest.json").exists():
            return 0
        latest = read_json(folder / "latest.json")
        if latest["world"] != self._ranks.world:
            raise UserError(
                f"{folder}: saved by {latest['world']} processes, and {self._ranks.world} were started. "
                f"Start it with --nproc_per_node {latest['world']}, or remove the folder to begin the stage again."
            )
        self._engine.load_checkpoint(str(folder), tag=latest["tag"], load_module_strict=False)
        restore_random_state(torch.load(folder / latest["tag"] / f"random-{self._ranks.rank}.pt", weights_only=True))
        return int(latest["step"])

    def trained_state(self) -> dict[str, Tensor]:
        whole: dict[str, Tensor] = {}
        for name, parameter in self._module.named_parameters():
            if name in self._frozen:
                continue
            with self._whole(parameter):
                if self._ranks.main:
                    whole[name] = parameter.detach().cpu().clone()
        buffers = set(dict(self._module.named_buffers()))
        if self._ranks.main:
            whole |= {name: value for name, value in self._module.state_dict().items() if name in buffers}
        return whole
