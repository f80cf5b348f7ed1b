"""Options of ``strategy: {name: ...}``.  Light: imported with the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class SingleOptions:
    """device: `auto` is the GPU if there is one.

    precision: `bfloat16` runs every forward under autocast; trained weights stay as they are, float32 unless the policy
    says otherwise.  offload: float32 weights, moments and the optimizer's step live in the host's memory: 12 bytes a
    trained parameter less on the GPU, and slower steps.
    """

    device: str = "auto"
    precision: Precision = "float32"
    offload: bool = False


@dataclass(frozen=True)
class DeepSpeedOptions:
    """zero: what is divided among the processes: 1 the optimizer's state, 2 gradients too, 3 weights too.

    precision: `bfloat16` keeps weights in bfloat16 with float32 masters in the optimizer.  offload: the optimizer's
    state in the host's memory.  Start it with ``torchrun --nproc_per_node N -m vla_rl_bench run ...``.
    """

    zero: Literal[1, 2, 3] = 2
    precision: Precision = "float32"
    offload: bool = False
