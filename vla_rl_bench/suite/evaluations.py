"""What a suite evaluates, and which of it a run's record vouches for."""

from __future__ import annotations

from typing import Any

from vla_rl_bench.config.schema import EvaluationConfig, Suite, sampling_name
from vla_rl_bench.suite.plan import digest

MAIN = "main"


def evaluations(suite: Suite) -> list[tuple[str, EvaluationConfig, dict[str, Any]]]:
    """(name, what, environment options that differ): the main evaluation, then the extra ones."""
    found: list[tuple[str, EvaluationConfig, dict[str, Any]]] = [(MAIN, suite.evaluation, {})]
    found += [(extra.name, extra, dict(extra.environment)) for extra in suite.extra_evaluations]
    return found


def evaluation_key(config: EvaluationConfig, sampling: str, options: dict[str, Any], limit: int | None) -> str:
    """Changes when what is evaluated changes, so that only that evaluation is done again."""
    plain = config.model_dump(mode="json", include={"starts", "per_task"})
    chosen = next(one for one in config.sampling if sampling_name(one) == sampling)
    rollouts = 1 if isinstance(chosen, str) else chosen.rollouts
    return digest([plain, sampling, rollouts, options, limit])


def missing_evaluations(suite: Suite, record: dict[str, Any], limit: int | None) -> list[tuple[str, str]]:
    """(evaluation name, sampling name) pairs that a run's record does not vouch for."""
    have = record.get("evaluations", {})
    return [
        (name, sampling_name(sampling))
        for name, config, options in evaluations(suite)
        for sampling in config.sampling
        if have.get(f"{name}/{sampling_name(sampling)}", {}).get("key")
        != evaluation_key(config, sampling_name(sampling), options, limit)
    ]
