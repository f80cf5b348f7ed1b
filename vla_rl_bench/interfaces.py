"""Interfaces of environments, policies and training strategies.

Environments derive from `EnvironmentBase` and policies from `PolicyBase`; subclass
:class:`vla_rl_bench.testing.EnvironmentContract` and :class:`vla_rl_bench.testing.PolicyContract` to test yours.
An environment is built and driven in a worker process that imports only the standard library, NumPy, this module and
the plugin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from vla_rl_bench.deprecated import warn_once
from vla_rl_bench.errors import NotSupported
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
    """Methods that every environment has; `EnvironmentBase` adds the optional ones.

    They are those of gymnasium's ``Env``: with the spaces of the contract, an environment passes
    ``gymnasium.utils.env_checker.check_env``.
    """

    contract: EnvironmentSpec
    """Known after construction.  Not called ``spec``: gymnasium's ``Env.spec`` is an entry of its registry."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; deterministic in the start.

        Args:
            seed: Not used; part of gymnasium's signature.
            options: ``{"start": Start}``.

        Returns:
            The first observation, and a dictionary that is not read.
        """
        ...

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute one action.

        Args:
            action: float32 ``[D]`` in the environment's action space.

        Returns:
            Gymnasium's ``observation, reward, terminated, truncated, info``.  ``terminated``: the task is solved,
            which ends the episode.  ``truncated``: the task's step limit is reached.  ``info["events"]`` may hold
            words for the record of the episode.  The reward is not used.
        """
        ...

    def close(self) -> None:
        """Release what the environment holds.  May be called twice; a worker process ends without it."""
        ...


class EnvironmentBase(ABC):
    """Base class of environments: one episode at a time.

    `reset` and `step` must be defined, as `Environment` describes them; the other methods are optional.
    """

    contract: EnvironmentSpec
    """Known after construction.  Not called ``spec``: gymnasium's ``Env.spec`` is an entry of its registry."""

    seconds: dict[str, float] | None = None
    """Wall seconds so far under ``stepping``, ``rendering`` and ``reset``; None: the caller times `reset` and
    `step_chunk`."""

    @abstractmethod
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; see `Environment.reset`."""

    @abstractmethod
    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute one action; see `Environment.step`."""

    def close(self) -> None:  # noqa: B027 - an environment need not hold anything
        """Release what the environment holds; see `Environment.close`."""

    def step_chunk(self, actions: FloatArray) -> ChunkResult:
        """Execute a chunk of actions in order, until the episode ends.

        The default makes single steps.  Define it if a chunk can be cheaper, for example by rendering once.

        Args:
            actions: float32 ``[K, D]`` in the environment's action space.

        Returns:
            The same as from single steps: the last observation, the steps taken, success and events.
        """
        events: list[str] = []
        for taken, action in enumerate(actions, start=1):
            observation, _, terminated, truncated, info = self.step(action)
            events.extend(info.get("events", ()))
            if terminated or truncated:
                return ChunkResult(None, taken, bool(terminated), True, tuple(events))
        return ChunkResult(observation, len(actions), False, False, tuple(events))

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        """Play the expert's episode.

        Args:
            start: Initial state of the episode.
            seed: Seed of the expert's own randomness.

        Returns:
            The episode; None if the expert fails.

        Raises:
            NotSupported: The environment has no expert (the default).
        """
        raise NotSupported(
            f"environment `{self.contract.name}` has no expert: it defines no `demonstrate`. Add one, or leave out "
            "what needs it: an arm's `demonstrations`, or a policy such as `expert`."
        )

    def film(self) -> ImageArray:
        """Draw a frame for a video of the present state, without changing it.

        Returns:
            uint8 ``[H, W, 3]`` RGB, top row first; the same size in every call.

        Raises:
            NotSupported: The environment has no view of its own (the default); videos then show the first camera.
        """
        raise NotSupported(f"environment `{self.contract.name}` defines no `film`")


@runtime_checkable
class BatchedEnvironment(Protocol):
    """Many episodes side by side, one per slot; for simulators that are vectorized themselves.

    Slots are integers below `slots`.  Each call names the slots that it means; the others stay as they are.
    """

    contract: EnvironmentSpec
    """Known after construction, as `Environment.contract`."""

    slots: int
    """Number of episodes side by side."""

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds so far, over all slots, under ``stepping``, ``rendering`` and ``reset``."""
        ...

    def reset_slots(self, slots: Sequence[int], starts: Sequence[Start]) -> Observation:
        """Begin one episode per slot named.

        Args:
            slots: N different slots.
            starts: Their N starts.

        Returns:
            Batch of N first observations.
        """
        ...

    def step_slots(self, slots: Sequence[int], actions: FloatArray) -> list[ChunkResult]:
        """Execute a chunk of actions in each slot named.

        Args:
            slots: N different slots, each with an episode that has not ended.
            actions: float32 ``[N, K, D]`` in the environment's action space.

        Returns:
            N results, in the order of `slots`.
        """
        ...

    def demonstrate_many(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        """Play the expert's episodes.

        Args:
            starts: Initial states; any number.
            seed: Seed of the expert's own randomness.

        Returns:
            An episode per start; None if the expert fails.

        Raises:
            NotSupported: The environment has no expert.
        """
        ...

    def film_slot(self, slot: int) -> ImageArray:
        """Draw a frame for a video of one slot: uint8 ``[H, W, 3]`` RGB, top row first."""
        ...

    def close(self) -> None:
        """Release what the environment holds.  May be called twice."""
        ...


class TokenPolicy(Protocol):
    """A policy that answers an observation with K x D action tokens: a ``torch.nn.Module`` and a `PolicyBase`.

    Tokens are 0..bins-1 in the order of `vla_rl_bench.algorithms.action_tokens`, chunk-major, dimensions inner.

    Parameters that do not require gradients are never trained and never saved with a run: `make` must restore them
    from the policy's options alone.
    """

    chunk: int
    """K, the actions of one answer; fixed at construction."""

    action_dim: int
    """D, the dimensions of an action; fixed at construction."""

    bins: int
    """Number of action tokens."""

    is_autoregressive: bool
    """True if a token depends on the tokens before it, so that the policy samples through `draw`."""

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        """Prepare the inputs of `forward`.

        Args:
            observations: Batch of B observations.
            instructions: B instructions.

        Returns:
            Tensors on the CPU with leading axis B; the caller moves them to the policy's device.
        """
        ...

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute logits: `forward`, through the hooks of ``torch.nn.Module``.

        Args:
            inputs: The tensors of `collate`, on the policy's device.  In training, ``inputs["tokens"]`` holds the
                tokens to score, int64 ``[B, K*D]``: an autoregressive policy reads them (teacher forcing), others
                ignore them.

        Returns:
            Float logits ``[B, K*D, bins]``, not divided by any temperature.
        """
        ...

    def normalize(self, actions: FloatArray) -> FloatArray:
        """Map environment actions ``[..., D]`` to ``[-1, 1]``, the range of the action tokens; float32."""
        ...

    def unnormalize(self, values: FloatArray) -> FloatArray:
        """Map values ``[..., D]`` in ``[-1, 1]`` to environment actions; float32."""
        ...

    def draw(
        self, inputs: Mapping[str, Tensor], choose: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Sample the tokens of a chunk step by step; see `PolicyBase.draw`."""
        ...

    def export(self, folder: Path) -> None:
        """Write the policy in its own format; see `PolicyBase.export`."""
        ...


class PolicyBase:
    """Base class of policies: the optional parts of `TokenPolicy`.

    Write ``class MyPolicy(PolicyBase, torch.nn.Module)``.
    """

    is_autoregressive: bool = False
    """True if a token depends on the tokens before it; `draw` must then be defined."""

    def draw(
        self, inputs: Mapping[str, Tensor], choose: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Sample the tokens of a chunk step by step, for autoregressive policies.

        Args:
            inputs: The tensors of `TokenPolicy.collate`, on the policy's device.
            choose: Samples the n tokens from position ``first`` on: ``choose(logits [B, n, bins], first)`` returns
                their tokens int64 and log-probs float32, both ``[B, n]``.

        Returns:
            The chosen tokens and their log-probs, both ``[B, K*D]``.

        Raises:
            NotSupported: The policy is not autoregressive (the default).
        """
        raise NotSupported(f"policy {type(self).__name__} is not autoregressive: it defines no `draw`")

    def export(self, folder: Path) -> None:
        """Write the trained policy in its own format, for ``vla-rl-bench export``.

        Args:
            folder: An empty folder.

        Raises:
            NotSupported: The policy has no format of its own (the default).
        """
        raise NotSupported(f"policy {type(self).__name__} has no format of its own: it defines no `export`")

    def normalise(self: Any, actions: FloatArray) -> FloatArray:
        """Call `normalize`, under its old name."""
        warn_once("TokenPolicy.normalise", "TokenPolicy.normalize")
        normalized: FloatArray = self.normalize(actions)
        return normalized

    def unnormalise(self: Any, values: FloatArray) -> FloatArray:
        """Call `unnormalize`, under its old name."""
        warn_once("TokenPolicy.unnormalise", "TokenPolicy.unnormalize")
        actions: FloatArray = self.unnormalize(values)
        return actions


class Ranks(Protocol):
    """The processes that share a run, from the side of one of them.  All make the same calls in the same order."""

    rank: int
    """Index of this process, 0..world-1."""

    world: int
    """Number of processes."""

    @property
    def main(self) -> bool:
        """True for rank 0, which writes and prints."""
        ...

    def all_gather(self, item: T) -> list[T]:
        """Return every rank's item, in the order of ranks, on every rank.  Items are picklable."""
        ...

    def broadcast(self, item: T) -> T:
        """Return rank 0's item on every rank."""
        ...


class Trainer(Protocol):
    """A policy with its optimizer, on the device that holds them; made by `Strategy.prepare`.

    A mini-batch is one `backward` per micro-batch, then `step`.  Every rank makes the same number of calls.
    """

    policy: TokenPolicy
    """For its sizes, `collate`, `normalize` and `unnormalize`; to act, use `acting`."""

    @property
    def steps_taken(self) -> int:
        """Optimizer steps so far, including those before a checkpoint."""
        ...

    def acting(self) -> AbstractContextManager[TokenPolicy]:
        """Lend the policy for rollouts and evaluation, in eval mode, with whole weights.

        Within the context ranks may make different numbers of calls.
        """
        ...

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute logits in train mode, with gradients.

        Args:
            inputs: The tensors of `TokenPolicy.collate`, on the CPU, and ``tokens`` int64 ``[B, K*D]``.

        Returns:
            Logits ``[B, K*D, bins]`` on the policy's device.
        """
        ...

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add a micro-batch's gradient; the gradients of all micro-batches and ranks are *summed*.

        Args:
            loss: Scalar.
            last: True for the last micro-batch before `step`.
        """
        ...

    def step(self, learning_rate: float, grad_clip: float) -> float:
        """Make one optimizer step and set the gradients to zero.

        Args:
            learning_rate: Rate of this step.
            grad_clip: Largest global L2 norm of the gradient.

        Returns:
            The gradient's norm before clipping.
        """
        ...

    def save(self, path: Path, step: int) -> None:
        """Save weights, optimizer and random state atomically.

        Args:
            path: A file, or a folder; replaced as a whole.
            step: SFT steps or RL iterations done.
        """
        ...

    def load(self, path: Path) -> int:
        """Restore what `save` wrote.

        Returns:
            The step that it was saved at; 0 if there is nothing at `path`.
        """
        ...

    def trained_state(self) -> dict[str, Tensor]:
        """Collect the parameters that training may change, whole, on the CPU.

        All ranks call it.

        Returns:
            Parameters by name on rank 0; an empty dictionary on other ranks.
        """
        ...


class Strategy(Protocol):
    """Way of training a policy: number of processes, precision, and the place of the optimizer's state."""

    ranks: Ranks
    """The processes of the run."""

    def prepare(
        self,
        policy: TokenPolicy,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        grad_clip: float = 1.0,
    ) -> Trainer:
        """Prepare a policy for training with AdamW over the parameters that require gradients.

        Args:
            policy: The policy, float32 on the CPU.
            betas: AdamW's decay rates; the defaults are torch's.
            weight_decay: AdamW's weight decay.
            grad_clip: Largest global L2 norm of the gradient, for engines that need it before `Trainer.step`.
        """
        ...

    def place(self, policy: TokenPolicy) -> TokenPolicy:
        """Put a policy on its device and in its precision, only to act."""
        ...

    def describe(self) -> dict[str, object]:
        """Describe the strategy for a run's record: name, processes, device, precision."""
        ...
