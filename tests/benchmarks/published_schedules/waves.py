"""Rollouts in waves, as SimpleVLA-RL (github.com/PRIME-RL/SimpleVLA-RL at 7c51662) schedules them.

Follows ``verl/workers/rollout/rob_rollout.py``, ``_generate_minibatch_libero``: a prompt's eight samples are a wave of
eight environment processes; ``while step < max_steps`` forwards all of them together, those that have finished too,
with their last observation; then every environment that has not finished steps its chunk, and all wait for the
slowest.  The next wave starts when the step limit is over, not when the last environment has finished.

Two costs of the original are left out, in its favor: its processes are started anew for each wave (row A measures
that), and the images of finished environments are processed again at every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import ActionBatch, Actor
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.rollout.scheduler import Episode
from vla_rl_bench.types import ChunkResult, FloatArray, Observation, Trajectory

WAVE = 8  # environments at a time: n_samples, with a micro-batch of one prompt


def roll_out_in_waves(pool: Pool, actor: Actor, episodes: Sequence[Episode]) -> Iterator[Trajectory]:
    """Play all episodes in order -> their trajectories, as in `roll_out`.

    `WAVE` at a time, or as many as the pool has slots.
    """
    size = min(WAVE, pool.slots)
    for first in range(0, len(episodes), size):
        yield from _wave(pool, actor, episodes[first : first + size])


@dataclass
class _RunningEpisode:
    """An episode of the wave."""

    episode: Episode
    uniforms: FloatArray  # [chunks, K*D]
    latest: Observation  # input of the next forward, finished or not
    observations: list[Observation] = field(default_factory=list)
    tokens: list[NDArray[np.int16]] = field(default_factory=list)
    logprobs: list[FloatArray] = field(default_factory=list)
    results: list[ChunkResult] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return bool(self.results) and self.results[-1].done

    def trajectory(self) -> Trajectory:
        return Trajectory(
            self.episode.start,
            self.episode.rollout,
            Observation.stack(self.observations),
            np.stack(self.tokens),
            np.stack(self.logprobs),
            np.array([result.steps for result in self.results], np.int64),
            self.results[-1].success,
            tuple(event for result in self.results for event in result.events),
        )


def _wave(pool: Pool, actor: Actor, episodes: Sequence[Episode]) -> Iterator[Trajectory]:
    tasks = pool.contract.tasks
    chunks = max(-(-tasks[episode.start.task].step_limit // actor.policy.chunk) for episode in episodes)
    running = _begin(pool, actor, episodes, chunks)
    instructions = [tasks[episode.start.task].instruction for episode in episodes]
    for chunk in range(chunks):  # never fewer
        uniforms = np.stack([episode.uniforms[chunk] for episode in running])
        decisions = actor.act(Observation.stack([episode.latest for episode in running]), instructions, uniforms)
        _step(pool, running, decisions)
    return (episode.trajectory() for episode in running)


def _begin(pool: Pool, actor: Actor, episodes: Sequence[Episode], chunks: int) -> list[_RunningEpisode]:
    for slot, episode in enumerate(episodes):
        pool.reset(slot, episode.start)
    observations = _observations(pool, len(episodes))
    return [
        _RunningEpisode(
            episode,
            seeding.generator(*episode.key).random((chunks, actor.tokens), dtype=np.float32),
            observations[slot],
        )
        for slot, episode in enumerate(episodes)
    ]


def _observations(pool: Pool, slots: int) -> dict[int, Observation]:
    observations: dict[int, Observation] = {}
    while len(observations) < slots:
        observations |= {
            answer.slot: _copy(answer.observation) for answer in pool.wait() if answer.observation is not None
        }
    return observations


def _copy(observation: Observation) -> Observation:
    """Copy an observation: the pool's images are overwritten by the slot's next ones."""
    return Observation.stack([observation])[0]


def _step(pool: Pool, running: Sequence[_RunningEpisode], decisions: ActionBatch) -> None:
    """Step one chunk of every environment that has not finished; all wait for the slowest."""
    stepping = {slot: episode for slot, episode in enumerate(running) if not episode.finished}
    for slot, episode in stepping.items():
        episode.observations.append(episode.latest)
        episode.tokens.append(decisions.tokens[slot])
        episode.logprobs.append(decisions.logprobs[slot])
        pool.step(slot, decisions.actions[slot])
    waiting = set(stepping)
    while waiting:
        for answer in pool.wait():
            assert answer.result is not None
            episode = running[answer.slot]
            episode.results.append(answer.result)
            episode.latest = _copy(answer.observation) if answer.observation else episode.latest
            waiting.remove(answer.slot)
