"""A proprioception projector of fresh weights, for fine-tuning from openvla-7b, which was trained without one.

python -m vla_rl_bench_openvla_oft.projector FOLDER [--numbers 14] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.loading import read_config
from vla_rl_bench_openvla_oft.modeling import ProprioProjector
from vla_rl_bench_openvla_oft.proprio import PATTERN, PREFIX, stored_names

FILE = "proprio_projector--0_checkpoint.pt"  # after no step, as OpenVLA-OFT names it


def write(folder: Path, numbers: int, seed: int) -> Path:
    """numbers: of proprioception; 14 in RoboTwin.  Refused where the checkpoint has a projector."""
    width = int(
        read_config(folder).get("text_config", {}).get("hidden_size", 4096)
    )  # Llama 2 7B, where nothing is said
    there = [path.name for path in sorted(folder.glob(PATTERN))]
    there += [name for name in sorted(stored_names(folder)) if name.startswith(PREFIX)]
    if there:
        raise UserError(f"{folder} has a proprioception projector already ({there[0]}); nothing was written")
    generator = torch.Generator().manual_seed(seed)
    projector = ProprioProjector(numbers, width)
    for layer in (projector.fc1, projector.fc2):
        bound = layer.in_features**-0.5  # as torch initialises a linear layer
        for weights in (layer.weight, layer.bias):
            nn.init.uniform_(weights, -bound, bound, generator=generator)
    torch.save(projector.state_dict(), folder / FILE)
    return folder / FILE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vla_rl_bench_openvla_oft.projector", description=__doc__)
    parser.add_argument("folder", type=Path, help="a checkpoint's folder")
    parser.add_argument("--numbers", type=int, default=14, help="of proprioception (default: RoboTwin's 14)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        print(write(given.folder, given.numbers, given.seed))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
