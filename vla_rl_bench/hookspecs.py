"""Hook specifications: the whole extension surface, on one page.

*Catalog* hooks register entries.  They are called once per process, on the first look-up, and must import neither torch
nor a simulator.  *Engine* hooks take part in a run: only the tricks and trackers that the suite names are registered.
Value hooks are off during evaluation.

*One owner, others wrap*: of the tricks in a suite one may implement the hook, others may be wrappers
(``@hookimpl(wrapper=True)``).
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
    """Hooks of a plugin module, which a distribution names in the entry-point group ``vla_rl_bench``."""

    @hookspec
    def register_environments(self) -> Iterable[entries.EnvironmentEntry]:
        """Register environments for ``environment: {name: ...}``."""
        raise NotImplementedError

    @hookspec
    def register_policies(self) -> Iterable[entries.PolicyEntry]:
        """Register policies for ``policy: {name: ...}``."""
        raise NotImplementedError

    @hookspec
    def register_tricks(self) -> Iterable[entries.TrickEntry]:
        """Register tricks for ``rl.tricks``."""
        raise NotImplementedError

    @hookspec
    def register_algorithms(self) -> Iterable[entries.AlgorithmEntry]:
        """Register RL algorithms for ``rl.algorithm``: the training loop itself."""
        raise NotImplementedError

    @hookspec
    def register_advantages(self) -> Iterable[entries.AdvantageEntry]:
        """Register advantage estimators for ``rl.advantage``."""
        raise NotImplementedError

    @hookspec
    def register_objectives(self) -> Iterable[entries.ObjectiveEntry]:
        """Register objectives for ``rl.objective``."""
        raise NotImplementedError

    @hookspec
    def register_strategies(self) -> Iterable[entries.StrategyEntry]:
        """Register training strategies for ``strategy:``."""
        raise NotImplementedError

    @hookspec
    def register_trackers(self) -> Iterable[entries.TrackerEntry]:
        """Register trackers for ``trackers:``."""
        raise NotImplementedError

    @hookspec
    def register_table_formats(self) -> Iterable[entries.TableFormatEntry]:
        """Register formats for ``tables --format``."""
        raise NotImplementedError

    @hookspec
    def register_suites(self) -> Iterable[entries.SuiteEntry]:
        """Register suite files of the plugin, for ``run NAME``."""
        raise NotImplementedError

    @hookspec
    def register_checks(self) -> Iterable[entries.CheckEntry]:
        """Register checks for ``doctor``."""
        raise NotImplementedError

    @hookspec
    def register_commands(self, app: Any) -> None:
        """Add commands to the command line; called when it starts.

        Args:
            app: A typer application of the plugin's own.
        """


class EngineHooks:
    """Hooks of a trick or a tracker in a run."""

    @hookspec(firstresult=True)
    def sampling_params(self, iteration: int, default: SamplingParams) -> SamplingParams | None:
        """Choose the sampling of an iteration's rollouts; called before them.  One owner, others wrap.

        Args:
            iteration: RL iteration, from 1.
            default: Temperature 1.

        Returns:
            The sampling; None keeps the default.  Its temperature divides the logits in sampling and in the old and new
            log-probs.
        """

    @hookspec(firstresult=True)
    def draw_limit(self, iteration: int, default: float) -> float | None:
        """Limit the groups sampled to fill an iteration's batch; called before its rollouts.  One owner, others wrap.

        Args:
            iteration: RL iteration, from 1.
            default: 1: the batch is sampled once, and groups that are not kept are missing from it.

        Returns:
            The limit in batches; None keeps the default.
        """

    @hookspec
    def keep_group(self, group: Group) -> bool | None:
        """Decide if a group stays in the batch; called when its last rollout has ended.

        Args:
            group: The group; it belongs to the run and may not be changed.

        Returns:
            False leaves it out and, within `draw_limit`, has another start sampled.  All implementations must agree;
            None: no opinion.  The answer may depend on the group only.
        """

    @hookspec(firstresult=True)
    def advantages(self, returns: Tensor) -> Tensor | None:
        """Compute advantages; called when the batch is full.  One owner, others wrap.

        Args:
            returns: Float ``[groups, rollouts]`` of the kept groups: 1 for success, 0 for failure.

        Returns:
            Advantages of the same shape; None: the suite's estimator (`rl.advantage`) computes them.
        """

    @hookspec(firstresult=True)
    def clip_range(self, iteration: int, default: ClipRange) -> ClipRange | None:
        """Choose the clip of an iteration's update; called before its first mini-batch.  One owner, others wrap.

        Args:
            iteration: RL iteration, from 1.
            default: 0.2 on both sides.

        Returns:
            The bounds; None keeps the default.
        """

    @hookspec
    def loss_terms(self, logprobs: Tensor, entropy: Tensor, mask: Tensor) -> dict[str, Tensor] | None:
        """Add terms to the loss of a micro-batch, the part of a mini-batch that is forwarded at once.

        Args:
            logprobs: New log-probs ``[chunks, K*D]`` at the rollout's temperature, with gradients.
            entropy: Entropy of each token's distribution in nats, of the same shape, with gradients.
            mask: 1 for tokens whose action was executed, else 0; of the same shape.

        Returns:
            Scalars by name, added to the loss, which is minimized; None adds nothing.  Each should be a mean: it counts
            with the micro-batch's share of the mini-batch.  The terms of all tricks are summed; a name that two tricks
            use is an error.
        """

    @hookspec
    def on_run_start(self, event: events.RunStart) -> None:
        """Observe that a run starts or resumes.  An observer's exception is recorded and never ends the run."""

    @hookspec
    def on_group_end(self, event: events.GroupEnd) -> None:
        """Observe the end of a group's last rollout; called before `keep_group`, so for rejected groups too.

        Called in the process that rolled the group out; the other observer hooks are called in the first process only.
        Groups beyond the batch may end as well: those with an index of `RolloutEnd.drawn` or more.
        """

    @hookspec
    def on_rollout_end(self, event: events.RolloutEnd) -> None:
        """Observe that an iteration's batch is complete."""

    @hookspec
    def on_update_end(self, event: events.UpdateEnd) -> None:
        """Observe that an iteration's update is done or skipped; its metrics are on disk."""

    @hookspec
    def on_eval_end(self, event: events.EvaluationEnd) -> None:
        """Observe that an evaluation is done; its episodes are on disk."""

    @hookspec
    def on_checkpoint(self, event: events.CheckpointSaved) -> None:
        """Observe that a checkpoint is on disk."""

    @hookspec
    def on_run_end(self, event: events.RunEnd) -> None:
        """Observe that a run has ended."""
