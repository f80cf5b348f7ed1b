"""Continuous batching: whichever observations are ready join the next forward; a free slot starts the next episode.

There are no waves and no barriers.  An episode's random numbers are keyed by what the episode is, so which slot plays
it, and when, changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.invariance import require_row_invariance
from vla_rl_bench.rollout.openings import FirstObservationCache
from vla_rl_bench.rollout.playing import Episode, EpisodeRecorder, PendingObservation
from vla_rl_bench.rollout.pool import Pool, SlotResult
from vla_rl_bench.rollout.routing import best_pair
from vla_rl_bench.rollout.timing import TRAINER, SpanRecorder
from vla_rl_bench.types import EnvironmentSpec, FloatArray, ImageArray, Observation, Start, Trajectory

__all__ = ["Episode", "film", "roll_out", "spec_summary"]

AHEAD = 32  # waiting episodes to choose from: some groups of eight


class EpisodeScheduler:
    """The slots of a pool, the episodes on them, and the actor that plays them."""

    def __init__(self, pool: Pool, actor: Actor, needed: Callable[[Episode], bool], keep: bool) -> None:
        self.pool, self.actor, self.needed, self.keep = pool, actor, needed, keep
        self.playing: dict[int, EpisodeRecorder] = {}
        self.free = list(reversed(range(pool.slots)))
        self.waiting: deque[Episode] = deque()
        self.instructions = [task.instruction for task in pool.contract.tasks]
        self.rows = pool.forward_rows if pool.deterministic else None
        # in process a forward's shape follows from the episodes, and leaving a row out would change the others' bits
        reuse = actor.one_forward and (pool.forward_rows is not None or not pool.deterministic)
        self.openings = FirstObservationCache(2 * pool.slots + 8 if reuse else 0)

    def start_episodes(self, next_episode: Callable[[], Episode | None]) -> None:
        """Give free slots episodes until one or the other is used up."""
        ahead = 1 if self.pool.held is None else AHEAD
        while self.free:
            self.waiting = deque(filter(self.needed, self.waiting))
            while len(self.waiting) < ahead and (episode := next_episode()) is not None:
                self.waiting.append(episode)
            if not self.waiting:
                return
            self._start_one()

    def _start_one(self) -> None:
        place, slot = 0, self.free[-1]
        if self.pool.held is not None:
            tasks = [episode.start.task for episode in self.waiting]
            place, slot = best_pair(tasks, self.free[::-1], self.pool.held)
        episode = self.waiting[place]
        del self.waiting[place]
        self.free.remove(slot)
        self.playing[slot] = EpisodeRecorder(episode, self._uniforms(episode))
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
        waiting = [
            PendingObservation(answer.slot, self.playing[answer.slot], answer.observation)
            for answer in ready
            if answer.slot in self.playing and answer.observation is not None
        ]
        while waiting:
            waiting = self._answer(waiting)
        return ended

    def _record(self, answer: SlotResult) -> tuple[Episode, Trajectory] | None:
        """-> the episode if it has ended, or if nobody needs it any more."""
        playing, result = self.playing[answer.slot], answer.result
        if result is not None:
            playing.steps.append(result.steps)
            playing.events.extend(result.events)
        done = result is not None and result.done
        if not done and self.needed(playing.episode):
            return None
        del self.playing[answer.slot]
        self.free.append(answer.slot)
        success = result is not None and result.success
        return playing.episode, playing.trajectory(success, keep=self.keep and done)

    def _answer(self, waiting: Sequence[PendingObservation]) -> list[PendingObservation]:
        """WorkerReply what has been forwarded before, then as many as share a forward -> the rest."""
        most = self.pool.forward_rows or len(waiting)
        batch: list[PendingObservation] = []
        rest: list[PendingObservation] = []
        for one in waiting:
            if self._reuse(one):
                continue
            twin = self.openings.on and one.opening and any(it.opening and it.start == one.start for it in batch)
            (rest if twin or len(batch) == most else batch).append(one)
        if batch:
            self._forward(batch)
        return rest

    def _reuse(self, one: PendingObservation) -> bool:
        """WorkerReply an observation that the group's first member had, with the logits of then."""
        logits = self.openings.find(one.start, one.observation) if one.opening else None
        if logits is None:
            return False
        self.actor.reused += 1
        self._send([one], Observation.stack([one.observation]), logits)
        return True

    def _forward(self, batch: Sequence[PendingObservation]) -> None:
        """One forward for all of them; their observations are copied here, once."""
        observations = Observation.stack([one.observation for one in batch])
        told = [self.instructions[one.start.task] for one in batch]
        if self.rows is not None and self.rows > 1:
            require_row_invariance(self.actor.policy, observations[0], [told[0], *self.instructions], self.rows)
        if not self.actor.one_forward:
            self._send(batch, observations, told)
            return
        with self.pool.clock.measure(TRAINER, "policy"):
            logits = self.actor.look(observations, told, self.rows)
        for row, one in enumerate(batch):
            if one.opening:
                self.openings.add(one.start, observations[row], logits[row : row + 1])
        self._send(batch, observations, logits)

    def _send(self, batch: Sequence[PendingObservation], observations: Observation, known: Tensor | list[str]) -> None:
        """Choose, and let the environments act.  known: logits, or instructions where the forward is yet to come."""
        uniforms = self._next_uniforms(batch)
        with self.pool.clock.measure(TRAINER, "policy"):
            if isinstance(known, Tensor):
                decisions = self.actor.choose(known, uniforms, self.rows)
            else:
                decisions = self.actor.act(observations, known, uniforms, self.rows)
        for row, one in enumerate(batch):
            if self.keep:
                one.playing.remember(observations[row], decisions, row)
            self.pool.step(one.slot, decisions.actions[row])

    def _next_uniforms(self, batch: Sequence[PendingObservation]) -> FloatArray | None:
        found = [one.playing.uniforms[len(one.playing.steps)] for one in batch if one.playing.uniforms is not None]
        return np.stack(found) if found else None


def roll_out(
    pool: Pool,
    actor: Actor,
    next_episode: Callable[[], Episode | None],
    *,
    keep: bool,
    needed: Callable[[Episode], bool] = lambda episode: True,
    clock: SpanRecorder | None = None,
) -> Iterator[tuple[Episode, Trajectory]]:
    """Play episodes as `next_episode` hands them out; yield each as it ends.

    next_episode: None means nothing for now; it is asked again whenever an episode has ended.  Worker processes choose
    among the next few episodes, so it may be asked before a slot is free.  The iterator stops when nothing is being
    played and nothing is left to play.
    keep: record observations, tokens and log-probs (training); else only outcomes (evaluation).
    needed: asked again and again; an episode for which it turns false is dropped, if it waits, or cut short and yielded
    with its steps alone.
    clock: gets the spans of policy and transfer, and of the workers.
    """
    stage = EpisodeScheduler(pool, actor, needed, keep)
    with _cores_for_workers(pool), _told(pool, clock):
        while True:
            stage.start_episodes(next_episode)
            if not stage.playing:
                return
            yield from stage.advance()


@contextmanager
def _told(pool: Pool, clock: SpanRecorder | None) -> Iterator[None]:
    """The pool, for a while, with this clock."""
    before, pool.clock = pool.clock, clock or pool.clock
    try:
        yield
    finally:
        pool.clock = before


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
    rows = pool.forward_rows if pool.deterministic else None
    while observation is not None:
        chunk = actor.act(Observation.stack([observation]), [instruction], None, rows).actions[0]
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
