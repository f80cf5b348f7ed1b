"""Rollouts in waves, as SimpleVLA-RL (github.com/PRIME-RL/SimpleVLA-RL at 7c51662) schedules them.

Follows ``verl/workers/rollout/rob_rollout.py``, ``_generate_minibatch_libero``: a prompt's eight samples are a wave of
eight environment processes; ``while step < max_steps`` forwards all of them together, those that have finished too,
with the last thing they saw; then every environment that has not finished steps its chunk, and all wait for the
slowest.  The next wave starts when the step limit is over, not when the last environment has finished.

What is left out in its favour: its processes are started anew for each wave (row A measures that), and the images of
finished environments are processed again at every step.
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
    """All episodes in their order -> what was executed of each, as `roll_out` records it.

    `WAVE` at a time, or as many as the pool has slots.
    """
    size = min(WAVE, pool.slots)
    for first in range(0, len(episodes), size):
        yield from _wave(pool, actor, episodes[first : first + size])


@dataclass
class _Played:
    """An episode of the wave.  uniforms: ``[chunks, K*D]``.  seen: what the next forward is given, finished or not."""

    episode: Episode
    uniforms: FloatArray
    seen: Observation
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
            np.array([one.steps for one in self.results], np.int64),
            self.results[-1].success,
            tuple(word for one in self.results for word in one.events),
        )


def _wave(pool: Pool, actor: Actor, episodes: Sequence[Episode]) -> Iterator[Trajectory]:
    tasks = pool.contract.tasks
    chunks = max(-(-tasks[one.start.task].step_limit // actor.policy.chunk) for one in episodes)
    played = _begin(pool, actor, episodes, chunks)
    instructions = [tasks[one.start.task].instruction for one in episodes]
    for chunk in range(chunks):  # never fewer
        uniforms = np.stack([one.uniforms[chunk] for one in played])
        decisions = actor.act(Observation.stack([one.seen for one in played]), instructions, uniforms)
        _step(pool, played, decisions)
    return (one.trajectory() for one in played)


def _begin(pool: Pool, actor: Actor, episodes: Sequence[Episode], chunks: int) -> list[_Played]:
    for slot, episode in enumerate(episodes):
        pool.reset(slot, episode.start)
    seen = _observations(pool, len(episodes))
    return [
        _Played(one, seeding.generator(*one.key).random((chunks, actor.tokens), dtype=np.float32), seen[slot])
        for slot, one in enumerate(episodes)
    ]


def _observations(pool: Pool, wanted: int) -> dict[int, Observation]:
    seen: dict[int, Observation] = {}
    while len(seen) < wanted:
        seen |= {one.slot: _own(one.observation) for one in pool.wait() if one.observation is not None}
    return seen


def _own(seen: Observation) -> Observation:
    """A copy: the pool's images are overwritten by the slot's next ones."""
    return Observation.stack([seen])[0]


def _step(pool: Pool, played: Sequence[_Played], decisions: ActionBatch) -> None:
    """One chunk of every environment that has not finished; all wait for the slowest."""
    stepping = {slot: one for slot, one in enumerate(played) if not one.finished}
    for slot, one in stepping.items():
        one.observations.append(one.seen)
        one.tokens.append(decisions.tokens[slot])
        one.logprobs.append(decisions.logprobs[slot])
        pool.step(slot, decisions.actions[slot])
    waiting = set(stepping)
    while waiting:
        for answer in pool.wait():
            assert answer.result is not None
            one = played[answer.slot]
            one.results.append(answer.result)
            one.seen = _own(answer.observation) if answer.observation else one.seen
            waiting.remove(answer.slot)
