"""Evaluation: the first starts of a split, greedy or sampled, one record per episode.  Value hooks are off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vla_rl_bench.config.schema import Sampling, sampling_name
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import Ranks, TokenPolicy
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Start


@dataclass(frozen=True)
class Evaluation:
    """The episodes of an evaluation.

    Raises:
        UserError: The range has fewer starts than `per_task`.
    """

    name: str
    sampling: Sampling
    tasks: tuple[int, ...]
    start_range: tuple[int, int]  # half-open range of start indices
    per_task: int  # starts per task, the first of the range
    seed: int

    def __post_init__(self) -> None:
        first, stop = self.start_range
        if self.per_task > stop - first:
            raise UserError(
                f"evaluation `{self.name}`: asks for {self.per_task} starts per task, and there are {stop - first} "
                f"({first}-{stop - 1}); write at most that as per_task and run the same command again"
            )

    def episodes(self) -> list[Episode]:
        """All episodes, task by task.

        The random numbers of a sampled episode are keyed by the start, not by the arm: two arms get the same ones.
        """
        rollouts = 1 if isinstance(self.sampling, str) else self.sampling.rollouts
        label = sampling_name(self.sampling)
        return [
            Episode(Start(task, index), rollout, ("evaluation", self.seed, label, task, index, rollout))
            for task in self.tasks
            for index in range(self.start_range[0], self.start_range[0] + self.per_task)
            for rollout in range(rollouts)
        ]


def evaluate(
    pool: Pool,
    policy: TokenPolicy | None,
    evaluation: Evaluation,
    ranks: Ranks,
    *,
    iteration: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Play the episodes and return one record for each, in the order of `Evaluation.episodes`.

    Each rank plays its share and gets all records.

    Args:
        policy: In eval mode, on its device; None: the environment's expert plays.
    """
    episodes = evaluation.episodes()
    own_episodes = episodes[ranks.rank :: ranks.world]
    played = _expert_episodes(pool, own_episodes, evaluation.seed)
    if policy is not None:
        played = _policy_episodes(pool, policy, own_episodes, evaluation.sampling)
    records: dict[tuple[Any, ...], dict[str, Any]] = {}
    for episode, outcome in played:
        records[episode.key] = {
            "evaluation": evaluation.name,
            "iteration": iteration,
            "sampling": sampling_name(evaluation.sampling),
            "column": pool.contract.suite,
            "task": episode.start.task,
            "start": episode.start.index,
            "rollout": episode.rollout,
            "seed": evaluation.seed,
            **outcome,
            "protocol": pool.contract.protocol,
        }
        progress(len(records), len(own_episodes))
    for rank_records in ranks.all_gather(records):
        records |= rank_records
    return [records[episode.key] for episode in episodes]


def _policy_episodes(
    pool: Pool, policy: TokenPolicy, episodes: Sequence[Episode], sampling: Sampling
) -> Iterator[tuple[Episode, dict[str, Any]]]:
    temperature = None if isinstance(sampling, str) else sampling.temperature
    waiting = iter(episodes)
    for episode, trajectory in roll_out(pool, Actor(policy, temperature), lambda: next(waiting, None), keep=False):
        outcome = {"success": trajectory.success, "steps": trajectory.length, "events": list(trajectory.events)}
        yield episode, outcome


def _expert_episodes(pool: Pool, episodes: Sequence[Episode], seed: int) -> Iterator[tuple[Episode, dict[str, Any]]]:
    """Let the expert attempt each start once, with noise from `seed`.  The steps of a failure are not known."""
    for first in range(0, len(episodes), pool.slots):  # demonstrations hold images: not all of them at once
        batch = episodes[first : first + pool.slots]
        demonstrations = pool.demonstrate([episode.start for episode in batch], seed)
        for episode, demonstration in zip(batch, demonstrations, strict=True):
            if demonstration is None:
                yield episode, {"success": False, "steps": None, "events": []}
            else:
                steps, events = len(demonstration.actions), list(demonstration.events or ())
                yield episode, {"success": True, "steps": steps, "events": events}


def successes(records: Sequence[dict[str, Any]]) -> int:
    return sum(record["success"] for record in records)
