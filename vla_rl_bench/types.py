"""Frozen records that cross the borders between rooms.  NumPy only: an environment worker imports this module."""

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
    """Where an episode begins: a task of the column's task suite and an init state (LIBERO) or scene seed."""

    task: int
    index: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy sees, single or batched (``*B`` is empty or one leading axis).

    images: camera name -> uint8 ``[*B, H, W, 3]``, RGB, top row first, oriented as `ImageSpec` says.
    proprio: float32 ``[*B, P]``, in the units that `EnvironmentSpec.proprio` names; P may be 0.
    """

    images: Mapping[str, ImageArray]
    proprio: FloatArray

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Observation:
        return Observation({name: image[index] for name, image in self.images.items()}, self.proprio[index])

    @staticmethod
    def stack(items: Sequence[Observation]) -> Observation:
        """Single observations -> one batch."""
        return Observation(
            {name: np.stack([item.images[name] for item in items]) for name in items[0].images},
            np.stack([item.proprio for item in items]),
        )

    @staticmethod
    def concatenate(items: Sequence[Observation]) -> Observation:
        """Batches -> one batch."""
        return Observation(
            {name: np.concatenate([item.images[name] for item in items]) for name in items[0].images},
            np.concatenate([item.proprio for item in items]),
        )


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What a chunk of K actions did to one episode.

    The environment executes the actions in order and stops inside the chunk as soon as the episode ends
    (success is terminal; the task's step limit truncates).
    observation: after the last executed action; None when the episode has ended.
    steps: actions executed, 1..K.  success: the task is solved.  done: success, or the step limit is reached.
    events: words for what happened in this chunk (``grasped``, ``planning-failed``), recorded with the episode.
    """

    observation: Observation | None
    steps: int
    success: bool
    done: bool
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One successful episode of an expert, one row a step.

    observations: batched over the T steps, each seen *before* the action of its row.
    actions: float32 ``[T, D]`` in the environment's action space: the labels to imitate.
    events: words for what happened, as in `ChunkResult`; None where nobody noted them.
    """

    start: Start
    observations: Observation
    actions: FloatArray
    events: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Trajectory:
    """One rolled-out episode: ragged (C chunks), uint8 frames, behaviour log-probs; nothing padded.

    observations: batched over the C chunks, each seen before its chunk.
    tokens: int16 ``[C, K*D]`` action tokens, chunk-major, dimensions inner.
    logprobs: float32 ``[C, K*D]`` under the behaviour policy *at the rollout's temperature*; empty when greedy.
    steps: int64 ``[C]`` actions executed in each chunk (less than K only in the last).
    """

    start: Start
    rollout: int
    observations: Observation
    tokens: NDArray[np.int16]
    logprobs: FloatArray
    steps: IntArray
    success: bool
    events: tuple[str, ...] = ()
    complete: bool = True  # False: cut short because nothing needed it any more; it then has its steps alone

    @property
    def length(self) -> int:
        """Environment steps taken."""
        return int(self.steps.sum())


@dataclass(frozen=True)
class Group:
    """G trajectories from one start: what GRPO compares.  index: its place in the order of launch."""

    index: int
    start: Start
    trajectories: tuple[Trajectory, ...]

    @property
    def successes(self) -> int:
        return sum(trajectory.success for trajectory in self.trajectories)

    @property
    def returns(self) -> FloatArray:
        """float32 ``[G]``: 1 for success, 0 for failure (the paper's equation 9)."""
        return np.array([trajectory.success for trajectory in self.trajectories], np.float32)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task of a task suite.  step_limit: environment steps an episode may take."""

    name: str
    instruction: str
    step_limit: int


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """A camera: uint8 ``[height, width, 3]`` RGB; orientation: how it is turned, in a word of
    `vla_rl_bench.conventions`."""

    name: str
    height: int
    width: int
    orientation: str = "upright"


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The environment's action space.

    names: one a dimension.  low, high: bounds.  noop: the action that holds still, which pads a chunk past the
    end of a demonstration.  gripper, rotation: the convention in words of `vla_rl_bench.conventions`; compared with
    what a policy expects.
    absolute: actions are places to be, so that a demonstration's last action pads it instead.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    noop: tuple[float, ...]
    gripper: str = "none"
    rotation: str = "none"
    absolute: bool = False

    @property
    def dimensions(self) -> int:
        return len(self.names)


SPLITS = ("demonstration", "training", "held-out")


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment declares of itself; written into every run.

    protocol: a version string that holds everything that changes a number (step limit, settle steps, rendering,
    simulator version).  Results of different protocols never share a table.
    suite: the task suite (a column).  splits: split name (of `SPLITS`) -> half-open range of start indices.
    """

    name: str
    suite: str
    protocol: str
    tasks: tuple[TaskSpec, ...]
    images: tuple[ImageSpec, ...]
    proprio: tuple[str, ...]
    action: ActionSpec
    splits: Mapping[str, tuple[int, int]]
    versions: Mapping[str, str] = field(default_factory=dict)
    comparable: bool = True


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How actions are drawn.  The same temperature divides the logits in sampling and in every log-prob."""

    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class ClipRange:
    """The ratio is clipped to ``[1 - low, 1 + high]``."""

    low: float
    high: float
