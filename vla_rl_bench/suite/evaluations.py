"""What a suite evaluates, and which of it a run's record vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vla_rl_bench.config.schema import MAIN, UNSEEN, EvaluationConfig, Suite, other_suite, sampling_name
from vla_rl_bench.suite.plan import digest


@dataclass(frozen=True)
class PlannedEvaluation:
    """An evaluation of a column's final policies.

    options: of the environment, where they differ.  task_suite: the one that is evaluated on, where it is another than
    the column's.  unseen: on the column's unseen tasks.
    """

    name: str
    config: EvaluationConfig
    options: Mapping[str, Any] = field(default_factory=dict)
    task_suite: str | None = None
    unseen: bool = False

    def key(self, sampling: str, limit: int | None) -> str:
        """Changes when what is evaluated changes, so that only that evaluation is done again."""
        plain = self.config.model_dump(mode="json", include={"starts", "per_task"})
        chosen = next(one for one in self.config.sampling if sampling_name(one) == sampling)
        rollouts = 1 if isinstance(chosen, str) else chosen.rollouts
        elsewhere = [self.task_suite] if self.task_suite else []
        return digest([plain, sampling, rollouts, dict(self.options), limit, *elsewhere])


def evaluations(suite: Suite, column: str) -> list[PlannedEvaluation]:
    """The main evaluation, that of the unseen tasks, then the extra ones."""
    found = [PlannedEvaluation(MAIN, suite.evaluation)]
    if column in suite.unseen:
        found.append(PlannedEvaluation(UNSEEN, suite.evaluation, unseen=True))
    for extra in suite.extra_evaluations:
        elsewhere = other_suite(extra.suite, suite.task_suite(column)) if extra.suite else None
        found.append(PlannedEvaluation(extra.name, extra, extra.environment, elsewhere))
    return found


def missing_evaluations(
    suite: Suite, column: str, record: Mapping[str, Any], limit: int | None
) -> list[tuple[PlannedEvaluation, str]]:
    """(evaluation, sampling name) pairs that a run's record does not vouch for."""
    have = record.get("evaluations", {})
    return [
        (planned, name)
        for planned in evaluations(suite, column)
        for name in map(sampling_name, planned.config.sampling)
        if have.get(f"{planned.name}/{name}", {}).get("key") != planned.key(name, limit)
    ]
