"""Supervised fine-tuning: cross-entropy on the action tokens of demonstrations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from vla_rl_bench import seeding
from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.config.schema import SftConfig
from vla_rl_bench.engine.distributed import split_microbatches
from vla_rl_bench.engine.evaluate import Evaluation, evaluate
from vla_rl_bench.interfaces import Ranks, TokenPolicy, Trainer
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.types import Demonstration, EnvironmentSpec, FloatArray, Observation


class Windows:
    """Training examples: each step of each demonstration, its observation with the next K expert actions.

    Past the end of an episode the chunk is filled with the environment's noop or, if actions are absolute, with the
    last action.
    """

    def __init__(self, demonstrations: Sequence[Demonstration], contract: EnvironmentSpec, policy: TokenPolicy) -> None:
        action = contract.action
        noop = np.array(action.noop, np.float32)
        chunks = [
            chunk_labels(demonstration.actions, demonstration.actions[-1] if action.absolute else noop, policy.chunk)
            for demonstration in demonstrations
        ]
        self.observations = Observation.concatenate([demonstration.observations for demonstration in demonstrations])
        self.tokens = action_tokens.encode(policy.normalize(np.concatenate(chunks))).reshape(len(self), -1)
        self.instructions = [
            contract.tasks[demonstration.start.task].instruction
            for demonstration in demonstrations
            for _ in range(len(demonstration.actions))
        ]

    def __len__(self) -> int:
        return len(self.observations.proprio)

    def batch(self, rows: NDArray[np.int64]) -> tuple[Observation, list[str], torch.Tensor]:
        tokens = torch.from_numpy(self.tokens[rows].astype(np.int64))
        return self.observations[rows], [self.instructions[row] for row in rows], tokens


def chunk_labels(actions: FloatArray, noop: FloatArray, chunk: int) -> FloatArray:
    """Build the chunk of each step: from actions ``[T, D]``, row t of ``[T, K, D]`` holds t..t+K-1, then noops."""
    padded = np.concatenate([actions, np.repeat(noop[None], chunk - 1, axis=0)])
    return np.stack([padded[k : k + len(actions)] for k in range(chunk)], axis=1).astype(np.float32)


def learning_rate(step: int, config: SftConfig) -> float:
    """Learning rate of a step (0 is the first): linear warm-up, then cosine decay to 5% of the peak."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    return config.learning_rate * warm * max(0.05, 0.5 * (1 + math.cos(math.pi * step / config.steps)))


@dataclass(frozen=True)
class Curve:
    """Evaluations during fine-tuning, recorded with the number of steps so far as ``iteration``."""

    pool: Pool
    folder: RunFolder
    evaluations: tuple[Evaluation, ...]

    def evaluate(self, trainer: Trainer, ranks: Ranks, steps: int) -> None:
        for evaluation in self.evaluations:
            with trainer.acting() as policy:
                self.folder.add_episodes(evaluate(self.pool, policy, evaluation, ranks, iteration=steps))


def fine_tune(
    trainer: Trainer,
    windows: Windows,
    config: SftConfig,
    seed: int,
    ranks: Ranks,
    save_to: Path,
    progress: Callable[[int, int], None],
    curve: Curve | None = None,
) -> float:
    """Train in place, resuming from the checkpoint at `save_to`; return the last loss in nats per token."""
    first = trainer.load(save_to)
    loss = math.nan
    if curve:
        curve.folder.cut_curve(first)
        if first == 0:
            curve.evaluate(trainer, ranks, 0)
    for step in range(first, config.steps):
        loss = _step(trainer, windows, config, seed, step, ranks)
        if curve and config.curve and ((step + 1) % config.curve.every == 0 or step + 1 == config.steps):
            curve.evaluate(trainer, ranks, step + 1)
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            trainer.save(save_to, step + 1)
        progress(step + 1, config.steps)
    return loss


def _step(trainer: Trainer, windows: Windows, config: SftConfig, seed: int, step: int, ranks: Ranks) -> float:
    """Take one optimizer step; return the mini-batch's mean cross-entropy over all ranks."""
    rng = seeding.generator("sft", seed, step)
    observations, instructions, tokens = windows.batch(rng.integers(len(windows), size=config.batch_size))
    if config.proprio_noise:
        noise = rng.normal(scale=config.proprio_noise, size=observations.proprio.shape).astype(np.float32)
        observations = Observation(observations.images, observations.proprio + noise)
    parts = split_microbatches(config.batch_size, config.microbatch, ranks)
    total = 0.0
    for number, part in enumerate(parts):
        rows = part if len(part) else np.zeros(1, np.int64)  # forward any row, since the other ranks do
        labels = tokens[rows]
        inputs = trainer.policy.collate(observations[rows], [instructions[row] for row in rows])
        logits = trainer.forward(inputs | {"tokens": labels})
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.to(logits.device).flatten())
        loss = loss * (len(part) / config.batch_size)
        trainer.backward(loss, last=number == len(parts) - 1)
        total += float(loss.detach())
    trainer.step(learning_rate(step, config), config.grad_clip)
    return sum(ranks.all_gather(total))
