"""What a plugin's environment and policy must offer.

`Environment` is a gymnasium ``Env`` with two additions; subclass :class:`vla_rl_bench.testing.EnvironmentContract`
to test yours.  An environment is built and driven in a worker process that imports only the standard library, NumPy,
this module and the plugin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from vla_rl_bench.types import (
    ChunkResult,
    Demonstration,
    EnvironmentSpec,
    FloatArray,
    ImageArray,
    Observation,
    Start,
)

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


@runtime_checkable
class Environment(Protocol):
    """One episode at a time.

    `contract` is known after construction.  `reset` takes ``options={"start": Start}`` and is deterministic in it.
    `step` follows gymnasium: ``observation, reward, terminated, truncated, info``; ``terminated`` means success, which
    ends the episode; ``truncated`` that the task's step limit is reached; ``info["events"]`` may hold words for the
    record.  The reward is not used.  The observation is an `Observation`.  `close` may be called twice; a worker
    process ends without it.

    Optional, looked for by name: ``step_chunk(actions [K, D]) -> ChunkResult`` where an environment can do better
    than K single steps (render once a chunk); ``demonstrate(start, seed) -> Demonstration | None`` where it has an
    expert (None: the expert failed); ``film() -> uint8 [H, W, 3]`` for videos (default: the first camera);
    ``seconds: dict[str, float]`` accumulating time under ``stepping``, ``rendering``, ``reset``.
    """

    contract: EnvironmentSpec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]: ...

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]: ...

    def close(self) -> None: ...


@runtime_checkable
class BatchedEnvironment(Protocol):
    """Many episodes side by side, one a slot; for simulators that are vectorised themselves.

    Slots are integers below `slots`.  Each call names the slots it means; the others stay as they are.
    `demonstrate` gives None where the expert failed.  `film` gives uint8 ``[H, W, 3]`` of one slot.
    """

    contract: EnvironmentSpec
    slots: int

    @property
    def seconds(self) -> dict[str, float]: ...

    def reset_slots(self, slots: Sequence[int], starts: Sequence[Start]) -> Observation: ...

    def step_slots(self, slots: Sequence[int], actions: FloatArray) -> list[ChunkResult]: ...

    def demonstrate_many(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]: ...

    def film_slot(self, slot: int) -> ImageArray: ...

    def close(self) -> None: ...


class TokenPolicy(Protocol):
    """A policy that answers an observation with K x D action tokens; a ``torch.nn.Module``.

    K (`chunk`) and D (`action_dim`) are fixed at construction; `bins` is the number of action tokens.
    Tokens are 0..bins-1 in the order of `vla_rl_bench.algorithms.action_tokens`, chunk-major, dimensions inner.

    Parameters that do not require gradients are never trained and never saved with a run: `make` must bring them back
    from the policy's options alone.

    Optional, looked for by name: ``draw(inputs, choose) -> (tokens, logprobs)``, both ``[B, K*D]``, where a token
    depends on the tokens before it; ``choose(logits [B, n, bins], first)`` draws the n tokens from position `first` on
    and gives both ``[B, n]``.  Such a policy reads ``inputs["tokens"]`` in `forward` (teacher forcing).
    ``export(folder)`` writes the trained policy in its own format, for ``vla-rl-bench export``.
    Subclass :class:`vla_rl_bench.testing.PolicyContract` to test yours.
    """

    chunk: int
    action_dim: int
    bins: int

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        """A batch of B observations and B instructions -> what `forward` takes, every tensor on the CPU with leading
        axis B.  The caller moves them to the policy's device."""
        ...

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """`forward`, through the hooks of ``torch.nn.Module``.

        -> float logits ``[B, K*D, bins]``, not divided by any temperature.  In training, ``inputs["tokens"]`` holds the
        tokens ``[B, K*D]`` (int64) that will be scored; a policy that answers in one forward ignores them.
        """
        ...

    def normalise(self, actions: FloatArray) -> FloatArray:
        """Environment actions ``[..., D]`` -> ``[-1, 1]``, the tokenizer's range."""
        ...

    def unnormalise(self, values: FloatArray) -> FloatArray:
        """``[-1, 1]`` -> environment actions ``[..., D]``."""
        ...


class Ranks(Protocol):
    """The processes that share a run, as seen by one of them.  All of them make the same calls in the same order."""

    rank: int
    world: int

    @property
    def main(self) -> bool:
        """Rank 0: the one that writes and prints."""
        ...

    def all_gather(self, item: T) -> list[T]:
        """Everybody's item, in the order of ranks, on every rank."""
        ...

    def broadcast(self, item: T) -> T:
        """Rank 0's item, on every rank."""
        ...


class Trainer(Protocol):
    """A policy with its optimiser, wherever their tensors live; made by `Strategy.prepare`.

    A mini-batch is `backward` once for each micro-batch, then `step`.  Every rank makes the same number of calls.
    policy: for its sizes, `collate` and the like; to act, see `acting`.
    """

    policy: TokenPolicy

    @property
    def steps_taken(self) -> int:
        """Optimiser steps so far, those before a checkpoint included."""
        ...

    def acting(self) -> AbstractContextManager[TokenPolicy]:
        """The policy to roll out and evaluate with, in eval mode, with whole weights.  Ranks need not keep step."""
        ...

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits ``[B, K*D, bins]`` in train mode, on the policy's device, with gradients."""
        ...

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add a micro-batch's gradient: the gradients of all micro-batches and ranks are *summed*.

        last: no more micro-batches before `step`.
        """
        ...

    def step(self, learning_rate: float, grad_clip: float) -> float:
        """Clip to a global norm, one optimiser step, forget the gradients -> the norm before clipping."""
        ...

    def save(self, path: Path, step: int) -> None:
        """Weights, optimiser, random state and `step` (SFT steps or RL iterations done), replaced as one."""
        ...

    def load(self, path: Path) -> int:
        """-> the step it was saved at; 0 when there is nothing at `path`."""
        ...

    def trained_state(self) -> dict[str, Tensor]:
        """What training may change, whole, on the CPU of rank 0; empty elsewhere.  All ranks call it."""
        ...


class Strategy(Protocol):
    """How a policy is trained: on how many processes, in which precision, where its optimiser lives."""

    ranks: Ranks

    def prepare(
        self,
        policy: TokenPolicy,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        grad_clip: float = 1.0,
    ) -> Trainer:
        """AdamW over the parameters that require gradients."""
        ...

    def place(self, policy: TokenPolicy) -> TokenPolicy:
        """The policy on its device and in its precision, only to act."""
        ...

    def describe(self) -> dict[str, object]:
        """What a run records: name, processes, device, precision."""
        ...
