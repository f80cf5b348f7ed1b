"""Rebuild the shipped weights: ``python -m vla_rl_bench.builtin.nano.pretrain``.

They stand for the pre-training of a VLA; `pretraining_data` says what it contains.  Deterministic on one machine with
one torch version: random numbers come from the seed and one thread computes.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import WEIGHTS, NanoPolicy, make
from vla_rl_bench.builtin.nano.pretraining_data import PretrainingBatch, pretraining_batch
from vla_rl_bench.builtin.tabletop.environment import CAMERA, contract, proprio
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tabletop.render import render
from vla_rl_bench.types import Observation


@dataclass(frozen=True)
class Recipe:
    """locate: share of the steps with ``locate`` sentences only; after them, `moves` is the share of ``move to``."""

    steps: int = 4000
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 50
    locate: float = 0.4
    moves: float = 0.6
    seed: int = 0


def pretrain(policy: NanoPolicy, recipe: Recipe) -> None:
    """Train in place and print progress every 200 steps."""
    random = np.random.default_rng(recipe.seed)
    optimizer = torch.optim.AdamW(policy.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    began, errors = time.process_time(), []
    for step in range(recipe.steps):
        moves = recipe.moves if step >= recipe.locate * recipe.steps else 0.0
        batch = pretraining_batch(random, recipe.batch, policy.chunk, moves)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        errors.append(_step(policy, optimizer, batch))
        if (step + 1) % 200 == 0:
            seconds = time.process_time() - began
            print(f"{step + 1}/{recipe.steps} mean error {np.mean(errors):.3f}, {seconds:.0f} s", flush=True)
            errors.clear()


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then cosine decay to 5%."""
    decay = max(0.05, 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup) * decay


def _step(policy: NanoPolicy, optimizer: torch.optim.Optimizer, batch: PretrainingBatch) -> float:
    """Take an optimizer step; return the mean error of the most likely token as a share of the range of 256."""
    image = render(batch.scenes, TabletopOptions().image_size)
    logits = policy(policy.collate(Observation({CAMERA: image}, proprio(batch.scenes)), batch.sentences))
    tokens = torch.from_numpy(action_tokens.encode(batch.labels)).long().flatten(1)
    weights = torch.from_numpy(batch.weights).flatten(1)
    loss = _cross_entropy(logits, tokens, weights)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimizer.step()
    wrong = (logits.detach().argmax(-1) - tokens).abs() / policy.bins
    return float((wrong * weights).sum() / weights.sum())


def _cross_entropy(logits: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
    each = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
    return (each * weights.flatten()).sum() / weights.sum()


def save(policy: NanoPolicy, path: Path) -> None:
    """Write as float16: half the size, without effect on fine-tuning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in policy.state_dict().items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS / "tabletop.safetensors")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(steps=arguments.steps)
    policy = make(contract("object", TabletopOptions()), NanoOptions(), recipe.seed)
    pretrain(policy, recipe)
    save(policy, arguments.out)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
