"""The policy's side of a rollout: observations in, action tokens, log-probs and environment actions out."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
class Decisions:
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
        self.policy = policy
        self.temperature = temperature
        self.tokens = policy.chunk * policy.action_dim
        self.seconds = 0.0
        self.forwards = 0
        self.chunks = 0

    @torch.inference_mode()
    def act(self, observations: Observation, instructions: Sequence[str], uniforms: FloatArray | None) -> Decisions:
        """observations: batch of B.  uniforms: float32 ``[B, K*D]`` in [0, 1), None when greedy."""
        started = time.perf_counter()
        inputs = self.policy.collate(observations, instructions)
        choose = partial(self._choose, uniforms)
        draw = getattr(self.policy, "draw", None)
        tokens, logprobs = draw(inputs, choose) if draw else choose(self.policy(inputs), 0)
        drawn = tokens.cpu().numpy().astype(np.int16)
        shape = (len(drawn), self.policy.chunk, self.policy.action_dim)
        actions = self.policy.unnormalise(action_tokens.decode(drawn).reshape(shape))
        self.seconds += time.perf_counter() - started
        self.forwards += 1
        self.chunks += len(drawn)
        return Decisions(drawn, logprobs.float().cpu().numpy(), actions)

    def _choose(self, uniforms: FloatArray | None, logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """logits: ``[B, n, bins]`` of the tokens from position `first` on -> tokens and log-probs, both ``[B, n]``."""
        if self.temperature is None or uniforms is None:
            tokens = logits.argmax(-1)
            return tokens, torch.zeros(tokens.shape)
        here = torch.from_numpy(uniforms[:, first : first + logits.shape[1]]).to(logits.device)
        return sample_tokens(logits, here, self.temperature)
