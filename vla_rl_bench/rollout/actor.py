"""The policy's side of a rollout: observations in, action tokens, log-probs and environment actions out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.algorithms.sampling import sample_tokens
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.types import FloatArray, Observation


@dataclass(frozen=True)
class ActionBatch:
    """A forward's answer for B observations.

    tokens: int16 ``[B, K*D]``.  logprobs: float32 ``[B, K*D]`` at the rollout's temperature (zeros when greedy).
    actions: float32 ``[B, K, D]`` in the environment's action space.
    """

    tokens: NDArray[np.int16]
    logprobs: FloatArray
    actions: FloatArray


class Actor:
    """Draws chunks from a policy.  temperature: None is greedy (argmax over the action tokens)."""

    def __init__(self, policy: TokenPolicy, temperature: float | None) -> None:
        """seconds, cpu_seconds: spent here so far.  chunks: answers given; reused: those of them without a forward."""
        self.policy = policy
        self.temperature = temperature
        self.tokens = policy.chunk * policy.action_dim
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.forwards = 0
        self.chunks = 0
        self.reused = 0

    @property
    def one_forward(self) -> bool:
        """Whether a forward's logits are all that a choice needs; not so where tokens depend on those before them."""
        return not hasattr(self.policy, "draw")

    def act(
        self,
        observations: Observation,
        instructions: Sequence[str],
        uniforms: FloatArray | None,
        rows: int | None = None,
    ) -> ActionBatch:
        """observations: batch of B.  uniforms: float32 ``[B, K*D]`` in [0, 1), None when greedy.

        rows: pad the forward to exactly so many rows, with copies of the first.
        """
        if self.one_forward:
            return self.choose(self.look(observations, instructions, rows), uniforms, rows)
        with self._working():
            inputs = self._inputs(observations, instructions, rows)
            padded = None if uniforms is None else _fill(uniforms, rows)
            tokens, logprobs = self.policy.draw(inputs, partial(self._choose, padded))  # type: ignore[attr-defined]
            self.forwards += 1
            return self._decisions(tokens, logprobs, len(instructions))

    def look(self, observations: Observation, instructions: Sequence[str], rows: int | None = None) -> Tensor:
        """A forward: B observations -> logits ``[B, K*D, bins]``, to `choose` from as often as one likes."""
        with self._working():
            self.forwards += 1
            logits = self.policy(self._inputs(observations, instructions, rows))
        return logits[: len(instructions)]

    def choose(self, logits: Tensor, uniforms: FloatArray | None, rows: int | None = None) -> ActionBatch:
        """Logits ``[B, K*D, bins]`` of `look` -> what to do."""
        with self._working():
            count = len(logits)
            if rows is not None and count < rows:
                logits = torch.cat([logits, logits[:1].expand(rows - count, -1, -1)])
            tokens, logprobs = self._choose(None if uniforms is None else _fill(uniforms, rows), logits, 0)
            return self._decisions(tokens, logprobs, count)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Without gradients, and timed."""
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            yield
        self.seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu

    def _inputs(self, observations: Observation, instructions: Sequence[str], rows: int | None) -> dict[str, Tensor]:
        if rows is not None and len(instructions) < rows:
            observations = observations[np.arange(rows) * (np.arange(rows) < len(instructions))]
            instructions = [*instructions, *[instructions[0]] * (rows - len(instructions))]
        return self.policy.collate(observations, instructions)

    def _decisions(self, tokens: Tensor, logprobs: Tensor, count: int) -> ActionBatch:
        """The first `count` rows; the others were padding."""
        drawn = tokens[:count].cpu().numpy().astype(np.int16)
        shape = (count, self.policy.chunk, self.policy.action_dim)
        actions = self.policy.unnormalise(action_tokens.decode(drawn).reshape(shape))
        self.chunks += count
        return ActionBatch(drawn, logprobs[:count].float().cpu().numpy(), actions)

    def _choose(self, uniforms: FloatArray | None, logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """logits: ``[B, n, bins]`` of the tokens from position `first` on -> tokens and log-probs, both ``[B, n]``."""
        if self.temperature is None or uniforms is None:
            tokens = logits.argmax(-1)
            return tokens, torch.zeros(tokens.shape)
        here = torch.from_numpy(uniforms[:, first : first + logits.shape[1]]).to(logits.device)
        return sample_tokens(logits, here, self.temperature)


def _fill(uniforms: FloatArray, rows: int | None) -> FloatArray:
    """Padded to `rows` with copies of the first row."""
    if rows is None or len(uniforms) == rows:
        return uniforms
    return np.concatenate([uniforms, np.repeat(uniforms[:1], rows - len(uniforms), 0)])
