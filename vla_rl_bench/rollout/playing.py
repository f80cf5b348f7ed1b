"""An episode under way, and what has been recorded of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.rollout.actor import ActionBatch
from vla_rl_bench.types import FloatArray, IntArray, Observation, Start, Trajectory


@dataclass(frozen=True)
class Episode:
    """An episode to play.  rollout: its place in its group.  key: what its random numbers are keyed by."""

    start: Start
    rollout: int = 0
    key: tuple[int | str, ...] = ()


@dataclass
class EpisodeRecorder:
    """uniforms: float32 ``[chunks, K*D]`` for the longest episode possible; None when greedy."""

    episode: Episode
    uniforms: FloatArray | None
    observations: list[Observation] = field(default_factory=list)
    tokens: list[NDArray[np.int16]] = field(default_factory=list)
    logprobs: list[FloatArray] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def remember(self, observation: Observation, decisions: ActionBatch, row: int) -> None:
        """observation: single, and its own copy."""
        self.observations.append(observation)
        self.tokens.append(decisions.tokens[row])
        self.logprobs.append(decisions.logprobs[row])

    def trajectory(self, success: bool, *, keep: bool) -> Trajectory:
        """keep: with observations, tokens and log-probs (for training); else only the outcome."""
        steps: IntArray = np.array(self.steps, np.int64)
        if not keep:
            nothing = Observation({}, np.zeros((0, 0), np.float32))
            empty = np.zeros((0, 0), np.float32)
            return Trajectory(
                self.episode.start,
                self.episode.rollout,
                nothing,
                empty.astype(np.int16),
                empty,
                steps,
                success,
                tuple(self.events),
            )
        return Trajectory(
            self.episode.start,
            self.episode.rollout,
            Observation.stack(self.observations),
            np.stack(self.tokens),
            np.stack(self.logprobs),
            steps,
            success,
            tuple(self.events),
        )


@dataclass(frozen=True)
class PendingObservation:
    """An episode that waits for its next chunk.  observation: single; its images may be the environment's own."""

    slot: int
    playing: EpisodeRecorder
    observation: Observation

    @property
    def start(self) -> Start:
        return self.playing.episode.start

    @property
    def opening(self) -> bool:
        """Whether the episode has just begun."""
        return not self.playing.steps
