"""Cost of training so far: sums over the RL iterations that ``metrics.jsonl`` records."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vla_rl_bench.files import Record

_ENVIRONMENT = ("stepping", "rendering", "reset")


@dataclass(frozen=True)
class Cost:
    """Cost of RL, without SFT and evaluation; None if an iteration did not record it."""

    trajectories: int | None = 0  # rolled out for the batches, those of rejected groups included
    cpu_seconds: float | None = 0.0  # of rollouts and updates


def costs(metrics: Iterable[Record]) -> dict[int, Cost]:
    """Sum the cost up to each iteration, from the lines of a run's ``metrics.jsonl``; 0 at iteration 0."""
    total = Cost()
    totals = {0: total}
    for record in sorted(metrics, key=lambda record: int(record["iteration"])):
        trajectories = _sum(total.trajectories, record.get("trajectories"))
        seconds = _sum(total.cpu_seconds, cpu_seconds(record))
        total = Cost(None if trajectories is None else int(trajectories), seconds)
        totals[int(record["iteration"])] = total
    return totals


def cpu_seconds(record: Record) -> float | None:
    """Add up the CPU seconds of an iteration's rollout and update, of all processes of the run on the recording rank.

    `trainer` is the time of the process with the policy: policy, update, transfer, and the environment if it lives in
    that process.  The time of worker processes is added to it.
    """
    cpu = record.get("cpu_seconds")
    if not isinstance(cpu, dict) or "trainer" not in cpu:
        return None
    in_process = record.get("in_process", _was_in_process(record))
    workers = 0.0 if in_process else sum(cpu.get(name, 0.0) for name in _ENVIRONMENT)
    return float(cpu["trainer"]) + workers


def _sum(total: float | None, cost: float | None) -> float | None:
    """Add a cost, which is not a number if a table of several runs had to fill a gap."""
    return None if total is None or cost is None or math.isnan(cost) else total + cost


def _was_in_process(record: Record) -> bool:
    """Infer ``in_process`` for records of version 0.1, which lack it.

    In process, the rollout's wall time is environment + policy + idle; with workers, environment + idle alone add up to
    it, once for each worker.
    """
    seconds = record["seconds"]
    accounted = sum(seconds[name] for name in (*_ENVIRONMENT, "idle"))
    in_process = abs(accounted + seconds["policy"] - seconds["rollout_wall"])
    return bool(in_process < abs(accounted - seconds["rollout_wall"]))
