"""Frozen records that environments, policies and the engine exchange.  NumPy only: workers import this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
ImageArray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, order=True)
class Start:
    """Initial state of an episode."""

    task: int  # index into `EnvironmentSpec.tasks`
    index: int  # a stored initial state (LIBERO), or the seed of a scene


@dataclass(frozen=True, slots=True)
class Observation:
    """Input of a policy, single or batched: ``*B`` is empty or one leading axis."""

    images: Mapping[str, ImageArray]  # camera -> uint8 [*B, H, W, 3] RGB, top row first, oriented as `ImageSpec` says
    proprio: FloatArray  # float32 [*B, P] in the units that `EnvironmentSpec.proprio` names; P may be 0

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Observation:
        """Select rows of a batch.

        Args:
            index: An integer for a single observation; a slice or int64 ``[N]`` for a batch.
        """
        return Observation({name: image[index] for name, image in self.images.items()}, self.proprio[index])

    @staticmethod
    def stack(items: Sequence[Observation]) -> Observation:
        """Stack B single observations with the same cameras into a batch of B."""
        return Observation(
            {name: np.stack([item.images[name] for item in items]) for name in items[0].images},
            np.stack([item.proprio for item in items]),
        )

    @staticmethod
    def concatenate(items: Sequence[Observation]) -> Observation:
        """Concatenate batches with the same cameras into one batch."""
        return Observation(
            {name: np.concatenate([item.images[name] for item in items]) for name in items[0].images},
            np.concatenate([item.proprio for item in items]),
        )


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """Outcome of a chunk of K actions in one episode.

    The environment executes the actions in order and stops inside the chunk as soon as the episode ends: success is
    terminal, and the task's step limit truncates.
    """

    observation: Observation | None  # single, after the last executed action; None if the episode has ended
    steps: int  # actions executed, 1..K
    success: bool  # the task is solved
    done: bool  # the episode has ended: success, or the step limit is reached
    events: tuple[str, ...] = ()  # words for what happened (`grasped`, `planning-failed`), recorded with the episode


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One successful episode of an expert of T steps."""

    start: Start
    observations: Observation  # batch of T; row t is observed *before* action t
    actions: FloatArray  # float32 [T, D] in the environment's action space: the labels to imitate
    events: tuple[str, ...] | None = None  # as in `ChunkResult`; None: not recorded


@dataclass(frozen=True)
class Trajectory:
    """One rolled-out episode of C chunks; nothing is padded."""

    start: Start
    rollout: int  # index of the episode among the rollouts of its start
    observations: Observation  # batch of C; row c is observed *before* chunk c
    tokens: NDArray[np.int16]  # [C, K*D] action tokens, chunk-major, dimensions inner
    # float32 [C, K*D] under the policy that acted, *at the rollout's temperature*; empty if greedy
    logprobs: FloatArray
    steps: IntArray  # int64 [C], actions executed in each chunk; less than K only in the last
    success: bool
    events: tuple[str, ...] = ()  # of all chunks, as in `ChunkResult`
    complete: bool = True  # False: stopped early because it was no longer needed; only `steps` is then filled

    @property
    def length(self) -> int:
        """Environment steps taken."""
        return int(self.steps.sum())


@dataclass(frozen=True)
class Group:
    """G trajectories from one start, which GRPO compares with each other."""

    index: int  # position in the order in which groups are begun
    start: Start
    trajectories: tuple[Trajectory, ...]  # G of them

    @property
    def successes(self) -> int:
        """Number of successful trajectories."""
        return sum(trajectory.success for trajectory in self.trajectories)

    @property
    def returns(self) -> FloatArray:
        """Returns, float32 ``[G]``: 1 for success, 0 for failure (SimpleVLA-RL, equation 9)."""
        return np.array([trajectory.success for trajectory in self.trajectories], np.float32)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task of a task suite."""

    name: str
    instruction: str  # as the policy reads it
    step_limit: int  # environment steps that an episode may take


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """A camera: uint8 ``[height, width, 3]`` RGB."""

    name: str
    height: int  # pixels
    width: int  # pixels
    orientation: str = "upright"  # a word of `vla_rl_bench.conventions.ORIENTATIONS`


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The environment's action space: float32 ``[D]``."""

    names: tuple[str, ...]  # one per dimension, with its unit and frame
    low: tuple[float, ...]  # lower bounds
    high: tuple[float, ...]  # upper bounds
    noop: tuple[float, ...]  # action that holds still; pads a chunk beyond the end of a demonstration
    gripper: str = "none"  # a word of `vla_rl_bench.conventions.GRIPPERS`
    rotation: str = "none"  # a word of `vla_rl_bench.conventions.ROTATIONS`
    absolute: bool = False  # actions are target positions; a demonstration's last action then pads instead of `noop`

    @property
    def dimensions(self) -> int:
        """Number of dimensions, D."""
        return len(self.names)


SPLITS = ("demonstration", "training", "held-out")


@dataclass(frozen=True)
class EnvironmentSpec:
    """An environment's declaration of itself; written into every run."""

    name: str
    suite: str  # the task suite: a column of the results
    # Version string with everything that changes a number: step limit, settle steps, rendering, simulator version.
    # Results of different protocols never share a table.
    protocol: str
    tasks: tuple[TaskSpec, ...]
    images: tuple[ImageSpec, ...]  # cameras
    proprio: tuple[str, ...]  # one name per dimension of proprioception, with its unit
    action: ActionSpec
    splits: Mapping[str, tuple[int, int]]  # split (of `SPLITS`) -> half-open range of start indices
    versions: Mapping[str, str] = field(default_factory=dict)  # package -> version; for the record only
    comparable: bool = True  # False: stands in for the real environment, such as one with substitute assets


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Sampling of action tokens."""

    temperature: float = 1.0  # divides the logits in sampling and in every log-prob


@dataclass(frozen=True, slots=True)
class ClipRange:
    """Bounds of the probability ratio: ``[1 - low, 1 + high]``."""

    low: float
    high: float
