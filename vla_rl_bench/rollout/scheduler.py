"""Continuous batching of episodes: any observations that are ready share the next policy forward.

There are no waves and no barriers: a slot whose episode has ended starts the next one at once.  An episode's random
numbers are keyed by the episode itself, so the slot that plays it and the time when it is played change nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import ActionBatch, Actor, require_row_invariance
from vla_rl_bench.rollout.pool import Pool, SlotResult, best_pair
from vla_rl_bench.rollout.timing import TRAINER, SpanRecorder
from vla_rl_bench.types import FloatArray, ImageArray, Observation, Start, Trajectory

LOOKAHEAD = 32  # waiting episodes to choose from: a few groups of eight


@dataclass(frozen=True)
class Episode:
    """An episode to play."""

    start: Start
    rollout: int = 0  # index in its group
    key: tuple[int | str, ...] = ()  # of its random numbers
    group: int = 0  # index of its group in the iteration


@dataclass
class EpisodeRecorder:
    """The record of an episode while it is played."""

    episode: Episode
    uniforms: FloatArray | None  # float32 [chunks, K*D] for the longest episode possible; None if greedy
    observations: list[Observation] = field(default_factory=list)
    tokens: list[NDArray[np.int16]] = field(default_factory=list)
    logprobs: list[FloatArray] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def append(self, observation: Observation, actions: ActionBatch, row: int) -> None:
        """Record a chunk's observation (single, not shared with the environment) and its tokens."""
        self.observations.append(observation)
        self.tokens.append(actions.tokens[row])
        self.logprobs.append(actions.logprobs[row])

    def trajectory(self, *, success: bool, complete: bool, keep: bool) -> Trajectory:
        """Make the trajectory; without ``keep`` it has the outcome and the steps alone."""
        empty = np.zeros((0, 0), np.float32)
        return Trajectory(
            self.episode.start,
            self.episode.rollout,
            Observation.stack(self.observations) if keep else Observation({}, empty),
            np.stack(self.tokens) if keep else empty.astype(np.int16),
            np.stack(self.logprobs) if keep else empty,
            np.array(self.steps, np.int64),
            success,
            tuple(self.events),
            complete,
        )


@dataclass(frozen=True)
class PendingObservation:
    """An observation that waits for the policy's next chunk.  Its images may be the environment's own memory."""

    slot: int
    recorder: EpisodeRecorder
    observation: Observation

    @property
    def start(self) -> Start:
        return self.recorder.episode.start

    @property
    def is_first(self) -> bool:
        """True if the episode has just begun."""
        return not self.recorder.steps


class FirstObservationCache:
    """Logits of first observations by start: the members of a group begin alike, so one forward serves them all.

    Valid as long as the policy's weights do not change.
    """

    def __init__(self, capacity: int) -> None:
        """Keep up to `capacity` starts, dropping the oldest; 0 disables the cache."""
        self._capacity = capacity
        self._entries: OrderedDict[Start, tuple[Observation, Tensor]] = OrderedDict()

    @property
    def enabled(self) -> bool:
        return self._capacity > 0

    def find(self, start: Start, observation: Observation) -> Tensor | None:
        """Logits ``[1, K*D, bins]`` of exactly this observation, byte for byte, if it has been forwarded."""
        cached, logits = self._entries.get(start, (None, None))
        return logits if cached is not None and _equal_bytes(cached, observation) else None

    def add(self, start: Start, observation: Observation, logits: Tensor) -> None:
        """Keep the observation, which the caller must not change afterwards, and a copy of its logits."""
        if not self.enabled:
            return
        self._entries[start] = observation, logits.clone()
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


def _equal_bytes(a: Observation, b: Observation) -> bool:
    return np.array_equal(a.proprio, b.proprio) and all(
        np.array_equal(image, b.images[name]) for name, image in a.images.items()
    )


class EpisodeScheduler:
    """Play episodes on the slots of a pool with an actor."""

    def __init__(self, pool: Pool, actor: Actor, needed: Callable[[Episode], bool], keep: bool) -> None:
        self.pool, self.actor, self.needed, self.keep = pool, actor, needed, keep
        self.recorders: dict[int, EpisodeRecorder] = {}  # by slot
        self.free_slots = list(reversed(range(pool.slots)))
        self.waiting: deque[Episode] = deque()
        self.instructions = [task.instruction for task in pool.contract.tasks]
        self.rows = pool.forward_rows if pool.deterministic else None
        # in process a forward's shape follows from the episodes, and leaving a row out would change the others' bits
        reuse = not actor.is_autoregressive and not (pool.in_process and pool.deterministic)
        self.first_observations = FirstObservationCache(2 * pool.slots + 8 if reuse else 0)

    def start_episodes(self, next_episode: Callable[[], Episode | None]) -> None:
        """Start episodes until no slot is free or no episode is left."""
        lookahead = 1 if self.pool.in_process else LOOKAHEAD
        while self.free_slots:
            self.waiting = deque(filter(self.needed, self.waiting))
            while len(self.waiting) < lookahead and (episode := next_episode()) is not None:
                self.waiting.append(episode)
            if not self.waiting:
                return
            self._start_episode()

    def _start_episode(self) -> None:
        index, slot = 0, self.free_slots[-1]
        if not self.pool.in_process:
            tasks = [episode.start.task for episode in self.waiting]
            index, slot = best_pair(tasks, self.free_slots[::-1], self.pool.tasks_by_slot)
        episode = self.waiting[index]
        del self.waiting[index]
        self.free_slots.remove(slot)
        self.recorders[slot] = EpisodeRecorder(episode, self._uniforms(episode))
        self.pool.reset(slot, episode.start)

    def _uniforms(self, episode: Episode) -> FloatArray | None:
        """Draw float32 ``[chunks, K*D]`` for the longest episode possible; None if greedy."""
        if self.actor.temperature is None:
            return None
        limit = self.pool.contract.tasks[episode.start.task].step_limit
        chunks = -(-limit // self.actor.policy.chunk)
        return seeding.generator(*episode.key).random((chunks, self.actor.tokens), dtype=np.float32)

    def advance(self) -> list[tuple[Episode, Trajectory]]:
        """Wait for slots, record their results, forward and send actions; return the episodes that ended."""
        results = self.pool.wait()
        ended = [done for result in results if (done := self._record(result)) is not None]
        pending = [
            PendingObservation(result.slot, self.recorders[result.slot], result.observation)
            for result in results
            if result.slot in self.recorders and result.observation is not None
        ]
        while pending:
            pending = self._act_on(pending)
        return ended

    def _record(self, answer: SlotResult) -> tuple[Episode, Trajectory] | None:
        """Record a slot's result; return the episode if it has ended or is no longer needed."""
        recorder, result = self.recorders[answer.slot], answer.result
        if result is not None:
            recorder.steps.append(result.steps)
            recorder.events.extend(result.events)
        done = result is not None and result.done
        if not done and self.needed(recorder.episode):
            return None
        del self.recorders[answer.slot]
        self.free_slots.append(answer.slot)
        success = result is not None and result.success
        return recorder.episode, recorder.trajectory(success=success, complete=done, keep=self.keep and done)

    def _act_on(self, pending: Sequence[PendingObservation]) -> list[PendingObservation]:
        """Answer cached first observations, then as many others as share a forward; return the rest."""
        max_rows = self.pool.forward_rows or len(pending)
        batch: list[PendingObservation] = []
        rest: list[PendingObservation] = []
        for item in pending:
            if self._act_from_cache(item):
                continue
            same_start_in_batch = (
                self.first_observations.enabled
                and item.is_first
                and any(member.is_first and member.start == item.start for member in batch)
            )
            (rest if same_start_in_batch or len(batch) == max_rows else batch).append(item)
        if batch:
            self._forward(batch)
        return rest

    def _act_from_cache(self, pending: PendingObservation) -> bool:
        """Answer with the logits of the group's first member if its first observation was the same."""
        logits = self.first_observations.find(pending.start, pending.observation) if pending.is_first else None
        if logits is None:
            return False
        self.actor.reused += 1
        self._send([pending], Observation.stack([pending.observation]), logits)
        return True

    def _forward(self, batch: Sequence[PendingObservation]) -> None:
        """Run one policy forward for the batch, whose observations are copied here, once."""
        observations = Observation.stack([pending.observation for pending in batch])
        instructions = [self.instructions[pending.start.task] for pending in batch]
        if self.rows is not None and self.rows > 1:
            candidates = [instructions[0], *self.instructions]
            require_row_invariance(self.actor.policy, observations[0], candidates, self.rows)
        if self.actor.is_autoregressive:
            self._send(batch, observations, instructions)
            return
        with self.pool.clock.measure(TRAINER, "policy"):
            logits = self.actor.compute_logits(observations, instructions, self.rows)
        for row, pending in enumerate(batch):
            if pending.is_first:
                self.first_observations.add(pending.start, observations[row], logits[row : row + 1])
        self._send(batch, observations, logits)

    def _send(
        self,
        batch: Sequence[PendingObservation],
        observations: Observation,
        logits_or_instructions: Tensor | list[str],
    ) -> None:
        """Sample actions and send them to the slots; instructions mean that the forward is still to come."""
        uniforms = self._next_uniforms(batch)
        with self.pool.clock.measure(TRAINER, "policy"):
            if isinstance(logits_or_instructions, Tensor):
                actions = self.actor.sample(logits_or_instructions, uniforms, self.rows)
            else:
                actions = self.actor.act(observations, logits_or_instructions, uniforms, self.rows)
        for row, pending in enumerate(batch):
            if self.keep:
                pending.recorder.append(observations[row], actions, row)
            self.pool.step(pending.slot, actions.actions[row])

    def _next_uniforms(self, batch: Sequence[PendingObservation]) -> FloatArray | None:
        recorders = [pending.recorder for pending in batch]
        rows = [recorder.uniforms[len(recorder.steps)] for recorder in recorders if recorder.uniforms is not None]
        return np.stack(rows) if rows else None


def roll_out(
    pool: Pool,
    actor: Actor,
    next_episode: Callable[[], Episode | None],
    *,
    keep: bool,
    needed: Callable[[Episode], bool] = lambda episode: True,
    clock: SpanRecorder | None = None,
) -> Iterator[tuple[Episode, Trajectory]]:
    """Play the episodes that `next_episode` returns; yield each as it ends.

    The iterator stops when nothing is being played and nothing is left to play.

    Args:
        next_episode: Returns the next episode, or None if there is none for now; called again whenever an episode has
            ended.  With worker processes it may be called before a slot is free: they choose among the next few.
        keep: Record observations, tokens and log-probs (for training) instead of outcomes alone (for evaluation).
        needed: Called repeatedly; an episode for which it becomes false is dropped if it waits, or is cut short and
            yielded with its steps alone (``Trajectory.complete`` is false).
        clock: Records the spans of policy, transfer and workers.
    """
    scheduler = EpisodeScheduler(pool, actor, needed, keep)
    with _one_policy_thread(pool), _recording_spans(pool, clock):
        while True:
            scheduler.start_episodes(next_episode)
            if not scheduler.recorders:
                return
            yield from scheduler.advance()


@contextmanager
def _recording_spans(pool: Pool, clock: SpanRecorder | None) -> Iterator[None]:
    before, pool.clock = pool.clock, clock or pool.clock
    try:
        yield
    finally:
        pool.clock = before


@contextmanager
def _one_policy_thread(pool: Pool) -> Iterator[None]:
    """Give the policy one thread while worker processes run: spinning threads would take their cores."""
    threads = torch.get_num_threads()
    if not pool.in_process:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def film(pool: Pool, actor: Actor, start: Start) -> tuple[list[ImageArray], bool]:
    """Play one greedy episode step by step on slot 0.

    Returns:
        Frames uint8 ``[H, W, 3]``, the first one before any action, and the success.
    """
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
    raise RuntimeError("an episode ended without a result that is done")


def film_expert(pool: Pool, start: Start, seed: int) -> tuple[list[ImageArray], bool] | None:
    """Play the actions of the expert's demonstration again on slot 0 -> as `film`; None where the expert fails."""
    demonstration = pool.demonstrate([start], seed)[0]
    if demonstration is None:
        return None
    pool.reset(0, start)
    pool.wait()
    frames = [pool.film(0)]
    for action in demonstration.actions:
        pool.step(0, action[None])
        result = pool.wait()[0].result
        frames.append(pool.film(0))
        if result is not None and result.done:
            return frames, result.success
    return frames, False
