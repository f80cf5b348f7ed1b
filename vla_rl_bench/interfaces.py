"""What a plugin's environment and policy must offer.

`Environment` is a gymnasium ``Env`` with two additions; subclass :class:`vla_rl_bench.testing.EnvironmentContract`
to test yours.  An environment is built and driven in a worker process that imports only the standard library, NumPy,
this module and the plugin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

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


@runtime_checkable
class Environment(Protocol):
    """One episode at a time.

    `contract` is known after construction.  `reset` takes ``options={"start": Start}`` and is deterministic in it.
    `step` follows gymnasium: ``observation, reward, terminated, truncated, info``; ``terminated`` means success.
    The observation is an `Observation`.

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
    """A policy that answers an observation with K x D action tokens in one forward; a ``torch.nn.Module``.

    K (`chunk`) and D (`action_dim`) are fixed at construction; `bins` is the number of action tokens.
    Tokens are 0..bins-1 in the order of `vla_rl_bench.algorithms.action_tokens`.
    """

    chunk: int
    action_dim: int
    bins: int

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        """A batch of B observations and B instructions -> what `forward` takes, every tensor with leading axis B."""
        ...

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """-> float logits ``[B, K*D, bins]``, not divided by any temperature."""
        ...

    def normalise(self, actions: FloatArray) -> FloatArray:
        """Environment actions ``[..., D]`` -> ``[-1, 1]``, the tokenizer's range."""
        ...

    def unnormalise(self, values: FloatArray) -> FloatArray:
        """``[-1, 1]`` -> environment actions ``[..., D]``."""
        ...
