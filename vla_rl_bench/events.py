"""Frozen events that observers of a run receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.types import Group

if TYPE_CHECKING:
    from vla_rl_bench.interfaces import TokenPolicy


@dataclass(frozen=True)
class RunStart:
    """A run starts or resumes."""

    run: str  # run id
    folder: Path  # the run's folder
    config: Mapping[str, object]  # the run's recipe, as in `run.json`


@dataclass(frozen=True)
class GroupEnd:
    """The last rollout of a group has ended."""

    run: str  # run id
    folder: Path  # the run's folder
    iteration: int  # RL iteration, from 1
    group: Group
    policy: TokenPolicy  # the policy that acted, with whole weights


@dataclass(frozen=True)
class RolloutEnd:
    """A batch is complete."""

    run: str  # run id
    folder: Path  # the run's folder
    iteration: int  # RL iteration, from 1
    drawn: int  # groups of the batch, kept or not: those with an index below this number
    kept: int  # groups that every `keep_group` agreed to
    successes: int  # successful trajectories of the batch's groups
    trajectories: int  # trajectories of the batch's groups


@dataclass(frozen=True)
class UpdateEnd:
    """An iteration's update is done."""

    run: str  # run id
    iteration: int  # RL iteration, from 1
    skipped: bool  # True: no group was kept, so the policy did not change
    metrics: Mapping[str, float]  # the numbers of the line in metrics.jsonl


@dataclass(frozen=True)
class EvaluationEnd:
    """An evaluation is done."""

    run: str  # run id
    iteration: int | None  # RL iteration or SFT step before it; None: final evaluation
    sampling: str  # `greedy`, or the temperature as in `T=1.6`
    successes: int
    episodes: int
    evaluation: str = "main"  # `main`, `unseen`, or the suite's name for it


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint is on disk."""

    run: str  # run id
    iteration: int  # RL iterations done
    path: Path


@dataclass(frozen=True)
class RunEnd:
    """A run has ended."""

    run: str  # run id
    folder: Path  # the run's folder
    status: str  # `complete` or `failed`
