"""Continuous batching: whichever observations are ready join the next forward; a free slot starts the next episode.

There are no waves and no barriers.  An episode's random numbers are keyed by what the episode is, so which slot plays
it, and when, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import Actor, Decisions
from vla_rl_bench.rollout.pool import Pool, Ready
from vla_rl_bench.types import EnvironmentSpec, FloatArray, ImageArray, IntArray, Observation, Start, Trajectory


@dataclass(frozen=True)
class Episode:
    """An episode to play.  rollout: its place in its group.  key: what its random numbers are keyed by."""

    start: Start
    rollout: int = 0
    key: tuple[int | str, ...] = ()


@dataclass
class _Playing:
    """An episode under way and what has been recorded of it."""

    episode: Episode
    uniforms: FloatArray | None
    observations: list[Observation] = field(default_factory=list)
    tokens: list[NDArray[np.int16]] = field(default_factory=list)
    logprobs: list[FloatArray] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

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


class _Stage:
    """The slots of a pool, the episodes on them, and the actor that plays them."""

    def __init__(self, pool: Pool, actor: Actor, keep: bool) -> None:
        self.pool, self.actor, self.keep = pool, actor, keep
        self.playing: dict[int, _Playing] = {}
        self.free = list(reversed(range(pool.slots)))
        self.instructions = [task.instruction for task in pool.contract.tasks]

    def start(self, episode: Episode) -> None:
        slot = self.free.pop()
        self.playing[slot] = _Playing(episode, self._uniforms(episode))
        self.pool.reset(slot, episode.start)

    def _uniforms(self, episode: Episode) -> FloatArray | None:
        """float32 ``[chunks, K*D]`` for the longest episode possible; None when greedy."""
        if self.actor.temperature is None:
            return None
        limit = self.pool.contract.tasks[episode.start.task].step_limit
        chunks = -(-limit // self.actor.policy.chunk)
        return seeding.generator(*episode.key).random((chunks, self.actor.tokens), dtype=np.float32)

    def advance(self) -> list[tuple[Episode, Trajectory]]:
        """Wait, record, forward, send.  -> the episodes that ended."""
        ready = self.pool.wait()
        ended = [done for answer in ready if (done := self._record(answer)) is not None]
        waiting = [answer for answer in ready if answer.observation is not None]
        rows = self.pool.forward_rows or max(len(waiting), 1)
        for first in range(0, len(waiting), rows):
            self._forward(waiting[first : first + rows])
        return ended

    def _record(self, answer: Ready) -> tuple[Episode, Trajectory] | None:
        if answer.result is None:
            return None
        playing = self.playing[answer.slot]
        playing.steps.append(answer.result.steps)
        playing.events.extend(answer.result.events)
        if not answer.result.done:
            return None
        del self.playing[answer.slot]
        self.free.append(answer.slot)
        return playing.episode, playing.trajectory(answer.result.success, keep=self.keep)

    def _forward(self, waiting: list[Ready]) -> None:
        playing = [self.playing[answer.slot] for answer in waiting]
        observations = [answer.observation for answer in waiting if answer.observation is not None]
        instructions = [self.instructions[one.episode.start.task] for one in playing]
        uniforms = None
        if self.actor.temperature is not None:
            uniforms = np.stack([one.uniforms[len(one.steps)] for one in playing if one.uniforms is not None])
        decisions = self.actor.act(Observation.stack(observations), instructions, uniforms)
        for row, (answer, one, observation) in enumerate(zip(waiting, playing, observations, strict=True)):
            if self.keep:
                _remember(one, observation, decisions, row)
            self.pool.step(answer.slot, decisions.actions[row])


def _remember(playing: _Playing, observation: Observation, decisions: Decisions, row: int) -> None:
    playing.observations.append(observation)
    playing.tokens.append(decisions.tokens[row])
    playing.logprobs.append(decisions.logprobs[row])


def roll_out(
    pool: Pool, actor: Actor, next_episode: Callable[[], Episode | None], *, keep: bool
) -> Iterator[tuple[Episode, Trajectory]]:
    """Play episodes as `next_episode` hands them out; yield each as it ends.

    next_episode: None means nothing for now; it is asked again whenever an episode has ended.  The iterator stops when
    nothing is being played and nothing is left to play.
    keep: record observations, tokens and log-probs (training); else only outcomes (evaluation).
    """
    stage = _Stage(pool, actor, keep)
    with _cores_for_workers(pool):
        while True:
            while stage.free and (episode := next_episode()) is not None:
                stage.start(episode)
            if not stage.playing:
                return
            yield from stage.advance()


@contextmanager
def _cores_for_workers(pool: Pool) -> Iterator[None]:
    """While environment processes work, the policy uses one thread: spinning threads would take their cores."""
    threads = torch.get_num_threads()
    if pool.forward_rows is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def film(pool: Pool, actor: Actor, start: Start) -> tuple[list[ImageArray], bool]:
    """Play one greedy episode step by step on slot 0 -> frames uint8 ``[H, W, 3]``, the start included, and success."""
    pool.reset(0, start)
    observation = pool.wait()[0].observation
    frames = [pool.film(0)]
    instruction = pool.contract.tasks[start.task].instruction
    while observation is not None:
        chunk = actor.act(Observation.stack([observation]), [instruction], None).actions[0]
        for action in chunk:
            pool.step(0, action[None])
            answer = pool.wait()[0]
            frames.append(pool.film(0))
            if answer.result is not None and answer.result.done:
                return frames, answer.result.success
        observation = answer.observation
    raise RuntimeError("an episode ended without saying so")


def spec_summary(contract: EnvironmentSpec) -> dict[str, object]:
    """What a run records of its environment."""
    return {
        "name": contract.name,
        "suite": contract.suite,
        "protocol": contract.protocol,
        "comparable": contract.comparable,
        "tasks": [{"name": t.name, "instruction": t.instruction, "step_limit": t.step_limit} for t in contract.tasks],
        "splits": {name: list(bounds) for name, bounds in contract.splits.items()},
        "versions": dict(contract.versions),
        "action": list(contract.action.names),
        "gripper": contract.action.gripper,
        "rotation": contract.action.rotation,
    }
