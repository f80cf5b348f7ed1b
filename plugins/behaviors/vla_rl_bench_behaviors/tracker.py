"""A tracker that counts behaviors in rollouts and keeps the first novel successes.

Processes share nothing but the run's folder. Each writes what its groups did in files named by iteration and group;
the first process sums up at the end of the rollouts. An iteration that is repeated after an interruption replaces its
files, so a resumed run ends with the same files as an uninterrupted one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vla_rl_bench import events
from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.files import append_json_lines, filter_json_lines, read_json, write_json
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.types import FloatArray, Trajectory
from vla_rl_bench_behaviors.records import (
    COUNTS_FILE,
    SUCCESSES_FOLDER,
    NovelSuccess,
    classifier,
    demonstrated,
    file_stem,
    success_files,
    write_success,
)

KEPT = 3  # successes of each behavior


@dataclass(frozen=True)
class NovelSuccessTracker:
    """Count behaviors per iteration; keep the first successes with a behavior that no demonstration has."""

    @hookimpl
    def on_run_start(self, event: events.RunStart) -> None:
        """Delete what a killed process left incomplete."""
        for path in (*event.folder.glob("behaviors-i*.json"), *(event.folder / SUCCESSES_FOLDER).glob(".*.tmp")):
            path.unlink()

    @hookimpl
    def on_group_end(self, event: events.GroupEnd) -> None:
        """Write the counts of a group and its candidates for the first successes."""
        group, iteration = event.group, event.iteration
        classify = classifier(RunFolder(event.folder).read()["recipe"]["environment"]["name"])
        behaviors = [classify(trajectory.events) for trajectory in group.trajectories]
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for behavior, trajectory in zip(behaviors, group.trajectories, strict=True):
            counts[behavior][0] += 1
            counts[behavior][1] += trajectory.success
        write_json(_group_file(event.folder, iteration, group.index), counts)

        files = success_files(event.folder)
        for path, place in files.items():
            if place[1:3] == (iteration, group.index):  # of an attempt that was interrupted
                path.unlink()
        known = demonstrated(event.folder, classify)
        if known is None:
            return
        kept = Counter(stem for stem, earlier, _, _ in files.values() if earlier < iteration)
        for behavior, trajectory in zip(behaviors, group.trajectories, strict=True):
            if trajectory.success and behavior not in known and kept[file_stem(behavior)] < KEPT:
                kept[file_stem(behavior)] += 1
                actions = executed_actions(trajectory, event.policy)
                success = NovelSuccess(behavior, iteration, group.index, trajectory.rollout, group.start, actions)
                write_success(event.folder, success)

    @hookimpl
    def on_rollout_end(self, event: events.RolloutEnd) -> None:
        """Sum the counts of the batch, and delete all but the first successes of each behavior."""
        kept = Counter[str]()
        for path, (stem, iteration, group, _) in success_files(event.folder).items():
            if iteration > event.iteration:  # of an attempt that was interrupted; replaced when its turn comes
                continue
            kept[stem] += 1
            if kept[stem] > KEPT or (iteration == event.iteration and group >= event.drawn):
                path.unlink()

        pending = list(event.folder.glob(f"behaviors-i{event.iteration:05d}-g*.json"))
        in_batch = [_group_file(event.folder, event.iteration, group) for group in range(event.drawn)]
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for path in in_batch:
            for behavior, counts in read_json(path).items():
                totals[behavior] = [total + count for total, count in zip(totals[behavior], counts, strict=True)]
        filter_json_lines(event.folder / COUNTS_FILE, lambda line: line["iteration"] < event.iteration)
        append_json_lines(event.folder / COUNTS_FILE, [{"iteration": event.iteration, "behaviors": totals}])
        for path in pending:
            path.unlink()


def _group_file(run: Path, iteration: int, group: int) -> Path:
    return run / f"behaviors-i{iteration:05d}-g{group:04d}.json"


def executed_actions(trajectory: Trajectory, policy: TokenPolicy) -> FloatArray:
    """Decode the tokens of a trajectory to the actions that the environment executed: float32 ``[steps, D]``."""
    shape = (len(trajectory.tokens), policy.chunk, policy.action_dim)
    chunks = policy.unnormalize(action_tokens.decode(trajectory.tokens).reshape(shape))
    executed = [chunk[:steps] for chunk, steps in zip(chunks, trajectory.steps, strict=True)]
    return np.concatenate(executed).astype(np.float32, copy=False)
