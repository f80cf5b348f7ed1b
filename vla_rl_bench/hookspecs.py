"""The whole extension surface, on one page.

*Catalog* hooks say what exists.  They are called once, on the first look-up, and must import neither torch nor a
simulator.  *RunHooks* hooks take part in a run: only the tricks and trackers that the suite names are registered.
Value hooks are off during evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from vla_rl_bench import entries, events
from vla_rl_bench.types import ClipRange, Group, SamplingParams

if TYPE_CHECKING:
    from torch import Tensor

PROJECT = "vla_rl_bench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class CatalogHooks:
    """What a plugin module registers through the entry-point group ``vla_rl_bench``."""

    @hookspec
    def register_environments(self) -> Iterable[entries.EnvironmentEntry]:
        """Environments that a suite may name."""
        raise NotImplementedError

    @hookspec
    def register_policies(self) -> Iterable[entries.PolicyEntry]:
        """Policies that a suite may name."""
        raise NotImplementedError

    @hookspec
    def register_tricks(self) -> Iterable[entries.TrickEntry]:
        """Tricks that a suite may list under ``rl.tricks``."""
        raise NotImplementedError

    @hookspec
    def register_algorithms(self) -> Iterable[entries.AlgorithmEntry]:
        """RL algorithms for ``rl.algorithm``: the training loop itself."""
        raise NotImplementedError

    @hookspec
    def register_advantages(self) -> Iterable[entries.AdvantageEntry]:
        """Advantage estimators for ``rl.advantage``."""
        raise NotImplementedError

    @hookspec
    def register_objectives(self) -> Iterable[entries.ObjectiveEntry]:
        """Objectives for ``rl.objective``."""
        raise NotImplementedError

    @hookspec
    def register_strategies(self) -> Iterable[entries.StrategyEntry]:
        """Training strategies for ``strategy:``."""
        raise NotImplementedError

    @hookspec
    def register_trackers(self) -> Iterable[entries.TrackerEntry]:
        """Observers for ``trackers:``."""
        raise NotImplementedError

    @hookspec
    def register_table_formats(self) -> Iterable[entries.TableFormatEntry]:
        """Formats for ``tables --format``."""
        raise NotImplementedError

    @hookspec
    def register_suites(self) -> Iterable[entries.SuiteEntry]:
        """Suite files that a plugin ships, so that ``run NAME`` finds them."""
        raise NotImplementedError

    @hookspec
    def register_checks(self) -> Iterable[entries.CheckEntry]:
        """Checks for ``doctor``."""
        raise NotImplementedError

    @hookspec
    def register_commands(self, app: Any) -> None:
        """Add commands to the typer application ``app``; called when the command line starts."""


class EngineHooks:
    """What a trick or a tracker does in a run."""

    @hookspec(firstresult=True)
    def sampling_params(self, iteration: int, default: SamplingParams) -> SamplingParams | None:
        """Before an iteration's rollouts.  The same temperature divides the logits in the old and new log-probs.

        One owner; others wrap.  None: the default stands.
        """

    @hookspec(firstresult=True)
    def draw_limit(self, iteration: int, default: float) -> float | None:
        """Before an iteration's rollouts: how many times the batch may be drawn at most to fill it with kept groups.

        1 (the default): the batch is drawn once, and what was not kept is missing from it.
        One owner; others wrap.  None: the default stands.
        """

    @hookspec
    def keep_group(self, group: Group) -> bool | None:
        """A group's last rollout has ended.  False: it is left out and, within `draw_limit`, another start is drawn.

        All must agree.  None: no opinion.
        """

    @hookspec(firstresult=True)
    def advantages(self, returns: Tensor) -> Tensor | None:
        """The batch is full.  returns: float ``[groups, rollouts]`` -> advantages of the same shape.

        One owner; others wrap.  None: the suite's estimator answers.
        """

    @hookspec(firstresult=True)
    def clip_range(self, iteration: int, default: ClipRange) -> ClipRange | None:
        """Before an iteration's first mini-batch.  One owner; others wrap.  None: the default stands."""

    @hookspec
    def loss_terms(self, logprobs: Tensor, entropy: Tensor, mask: Tensor) -> dict[str, Tensor] | None:
        """A micro-batch (the part of a mini-batch that is forwarded at once): named scalars to add to the loss.

        Each should be a mean; it counts with the micro-batch's share of the mini-batch.  All arguments are
        ``[chunks, K*D]``; logprobs are the new ones at the rollout's temperature and carry gradients; mask is 1 where a
        token was executed.  The terms of all tricks are summed; a duplicate name is an error.
        """

    @hookspec
    def on_run_start(self, event: events.RunStart) -> None:
        """A run starts or resumes.  An observer's exception is recorded and never fatal."""

    @hookspec
    def on_group_end(self, event: events.GroupEnd) -> None:
        """The last rollout of a group has ended; called before `keep_group`, so for rejected groups too.

        Called in the process that rolled the group out, while the other observer hooks are called in the first
        process only.  A group beyond the batch may end as well: `RolloutEnd.drawn` tells.
        """

    @hookspec
    def on_rollout_end(self, event: events.RolloutEnd) -> None:
        """An iteration's batch is complete."""

    @hookspec
    def on_update_end(self, event: events.UpdateEnd) -> None:
        """An iteration's update is done or skipped; its metrics are on disk."""

    @hookspec
    def on_eval_end(self, event: events.EvaluationEnd) -> None:
        """An evaluation is done; its episodes are on disk."""

    @hookspec
    def on_checkpoint(self, event: events.CheckpointSaved) -> None:
        """A checkpoint is on disk."""

    @hookspec
    def on_run_end(self, event: events.RunEnd) -> None:
        """A run has ended; status is ``complete`` or ``failed``."""
