"""Frozen events that observers of a run receive.  `run` is the run id, `folder` its folder."""

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
    run: str
    folder: Path
    config: Mapping[str, object]


@dataclass(frozen=True)
class GroupEnd:
    """The last rollout of a group has ended.  policy: the policy that played it, with whole weights."""

    run: str
    folder: Path
    iteration: int
    group: Group
    policy: TokenPolicy


@dataclass(frozen=True)
class RolloutEnd:
    """A batch is complete.  drawn: its groups, which are those with an index below `drawn`, kept or not.

    kept: groups that every `keep_group` agreed to.
    """

    run: str
    folder: Path
    iteration: int
    drawn: int
    kept: int
    successes: int
    trajectories: int


@dataclass(frozen=True)
class UpdateEnd:
    """metrics: the line written to metrics.jsonl.  skipped: nothing was kept, so nothing was updated."""

    run: str
    iteration: int
    skipped: bool
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class EvaluationEnd:
    """iteration: the RL iteration or SFT step it follows; None for the final evaluation of the run.

    evaluation: ``main``, ``unseen`` or the suite's own name for it.
    """

    run: str
    iteration: int | None
    sampling: str
    successes: int
    episodes: int
    evaluation: str = "main"


@dataclass(frozen=True)
class CheckpointSaved:
    run: str
    iteration: int
    path: Path


@dataclass(frozen=True)
class RunEnd:
    run: str
    folder: Path
    status: str
