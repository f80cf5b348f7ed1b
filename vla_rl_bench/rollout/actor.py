"""Policy side of a rollout: observations in, action tokens, log-probs and environment actions out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.algorithms.sampling import sample_tokens
from vla_rl_bench.deprecated import warn_once
from vla_rl_bench.entries import PolicyEntry, load
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import PolicyBase, TokenPolicy
from vla_rl_bench.types import EnvironmentSpec, FloatArray, Observation


@dataclass(frozen=True)
class ActionBatch:
    """A policy's answer for B observations."""

    tokens: NDArray[np.int16]  # [B, K*D]
    logprobs: FloatArray  # float32 [B, K*D] at the rollout's temperature; zeros if greedy
    actions: FloatArray  # float32 [B, K, D] in the environment's action space


class Actor:
    """A policy that acts at one temperature; None is greedy (argmax over the action tokens)."""

    def __init__(self, policy: TokenPolicy, temperature: float | None) -> None:
        self.policy = policy
        self.temperature = temperature
        self.tokens = policy.chunk * policy.action_dim
        self.seconds = 0.0  # wall seconds in this class so far
        self.cpu_seconds = 0.0
        self.forwards = 0
        self.chunks = 0  # answers given
        self.reused = 0  # answers given from the logits of an earlier forward

    @property
    def is_autoregressive(self) -> bool:
        """True if tokens depend on earlier tokens, so that one forward's logits are not enough to sample a chunk."""
        return self.policy.is_autoregressive

    def act(
        self,
        observations: Observation,
        instructions: Sequence[str],
        uniforms: FloatArray | None,
        rows: int | None = None,
    ) -> ActionBatch:
        """Sample one chunk of action tokens per observation.

        Args:
            observations: Batch of B observations.
            uniforms: float32 ``[B, K*D]`` in [0, 1); None for greedy decoding.
            rows: Pad the forward pass to this many rows, with copies of the first.
        """
        if not self.is_autoregressive:
            return self.sample(self.compute_logits(observations, instructions, rows), uniforms, rows)
        with self._timed_inference():
            inputs = self._inputs(observations, instructions, rows)
            padded = None if uniforms is None else _pad(uniforms, rows)
            tokens, logprobs = self.policy.draw(inputs, partial(self._sample, padded))
            self.forwards += 1
            return self._actions(tokens, logprobs, len(instructions))

    def compute_logits(self, observations: Observation, instructions: Sequence[str], rows: int | None = None) -> Tensor:
        """Run one forward for B observations; return logits ``[B, K*D, bins]`` for `sample`."""
        with self._timed_inference():
            self.forwards += 1
            logits = self.policy(self._inputs(observations, instructions, rows))
        return logits[: len(instructions)]

    def sample(self, logits: Tensor, uniforms: FloatArray | None, rows: int | None = None) -> ActionBatch:
        """Sample from the logits ``[B, K*D, bins]`` of `compute_logits`; may be called again with the same logits."""
        with self._timed_inference():
            count = len(logits)
            if rows is not None and count < rows:
                logits = torch.cat([logits, logits[:1].expand(rows - count, -1, -1)])
            tokens, logprobs = self._sample(None if uniforms is None else _pad(uniforms, rows), logits, 0)
            return self._actions(tokens, logprobs, count)

    @contextmanager
    def _timed_inference(self) -> Iterator[None]:
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

    def _actions(self, tokens: Tensor, logprobs: Tensor, count: int) -> ActionBatch:
        """Decode the first `count` rows; the others are padding."""
        sampled = tokens[:count].cpu().numpy().astype(np.int16)
        shape = (count, self.policy.chunk, self.policy.action_dim)
        actions = self.policy.unnormalize(action_tokens.decode(sampled).reshape(shape))
        self.chunks += count
        return ActionBatch(sampled, logprobs[:count].float().cpu().numpy(), actions)

    def _sample(self, uniforms: FloatArray | None, logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Sample tokens and log-probs ``[B, n]`` from the logits ``[B, n, bins]`` of the positions from `first` on."""
        if self.temperature is None or uniforms is None:
            tokens = logits.argmax(-1)
            return tokens, torch.zeros(tokens.shape)
        rows = torch.from_numpy(uniforms[:, first : first + logits.shape[1]]).to(logits.device)
        return sample_tokens(logits, rows, self.temperature)


def make_policy(entry: PolicyEntry, spec: EnvironmentSpec, options: Any, seed: int) -> TokenPolicy:
    """Make the policy of an entry; see `PolicyEntry.make`."""
    return adapt_policy(load(entry.make)(spec, options, seed))


def adapt_policy(policy: Any) -> TokenPolicy:
    """Add what a policy class without `PolicyBase` lacks, with one warning per old name; supported for one release."""
    if not isinstance(policy, PolicyBase):
        cls = type(policy)
        warn_once(f"{cls.__module__}.{cls.__qualname__} without a base class", "vla_rl_bench.interfaces.PolicyBase")
        for old, new in (("normalise", "normalize"), ("unnormalise", "unnormalize")):
            if hasattr(policy, old) and not hasattr(policy, new):
                warn_once(f"TokenPolicy.{old}", f"TokenPolicy.{new}")
                setattr(policy, new, getattr(policy, old))
        policy.is_autoregressive = hasattr(policy, "draw")
        for name in ("draw", "export"):
            if not hasattr(policy, name):
                setattr(policy, name, MethodType(getattr(PolicyBase, name), policy))
    return policy  # type: ignore[no-any-return]


def _pad(uniforms: FloatArray, rows: int | None) -> FloatArray:
    """Pad to `rows` with copies of the first row."""
    if rows is None or len(uniforms) == rows:
        return uniforms
    return np.concatenate([uniforms, np.repeat(uniforms[:1], rows - len(uniforms), 0)])


_checked_rows: WeakKeyDictionary[TokenPolicy, set[int]] = WeakKeyDictionary()


def require_row_invariance(
    policy: TokenPolicy, observation: Observation, instructions: Sequence[str], rows: int
) -> None:
    """Raise UserError if, in a forward of `rows` rows, a policy's output for a row depends on the other rows.

    The check runs once per policy and number of rows.

    Args:
        observation: A single observation from a rollout.
        instructions: Instructions of the environment; the first belongs to the observation.
    """
    checked = _checked_rows.setdefault(policy, set())
    if rows in checked:
        return
    if not is_row_invariant(policy, observation, instructions, rows):
        raise UserError(
            f"runtime.forward_rows: in a forward of {rows} rows this policy's output for an observation depends on the "
            "other rows, so results would depend on timing. Write forward_rows: 1, or deterministic: false"
        )
    checked.add(rows)


def is_row_invariant(policy: TokenPolicy, observation: Observation, instructions: Sequence[str], rows: int) -> bool:
    """Check that a policy's output for a row does not depend on the other rows of the batch.

    The observation must give the same bits beside copies of itself and, as first, middle and last row, beside its
    negative under another instruction.
    """
    negative = Observation({name: 255 - image for name, image in observation.images.items()}, 1 - observation.proprio)
    expected = _output_bits(policy, [observation] * rows, [instructions[0]] * rows)
    equal = [np.array_equal(expected[0], row) for row in expected]
    for row in {0, rows // 2, rows - 1}:
        batch, texts = [negative] * rows, [instructions[-1]] * rows
        batch[row], texts[row] = observation, instructions[0]
        equal.append(np.array_equal(_output_bits(policy, batch, texts)[row], expected[0]))
    return all(equal)


def _output_bits(
    policy: TokenPolicy, observations: Sequence[Observation], instructions: Sequence[str]
) -> NDArray[np.generic]:
    """Logits, or log-probs of sampled tokens for autoregressive policies; one row per observation."""
    actor, batch = Actor(policy, 1.0), Observation.stack(observations)
    if not actor.is_autoregressive:
        return actor.compute_logits(batch, instructions).float().cpu().numpy()
    return actor.act(batch, instructions, np.full((len(observations), actor.tokens), 0.5, np.float32)).logprobs
