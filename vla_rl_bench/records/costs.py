"""What training has cost so far: the sums of what each RL iteration recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vla_rl_bench.files import Record

_ENVIRONMENT = ("stepping", "rendering", "reset")


@dataclass(frozen=True)
class Cost:
    """None where an iteration did not record it.  SFT and evaluation are in neither.

    trajectories: rolled out for the batches, those of rejected groups included.  cpu_seconds: of rollouts and updates.
    """

    trajectories: int | None = 0
    cpu_seconds: float | None = 0.0


def costs(metrics: Iterable[Record]) -> dict[int, Cost]:
    """The lines of a run's ``metrics.jsonl`` -> by iteration, what it and all before it cost; 0 at iteration 0."""
    spent = Cost()
    found = {0: spent}
    for record in sorted(metrics, key=lambda record: int(record["iteration"])):
        trajectories = _sum(spent.trajectories, record.get("trajectories"))
        seconds = _sum(spent.cpu_seconds, cpu_seconds(record))
        spent = Cost(None if trajectories is None else int(trajectories), seconds)
        found[int(record["iteration"])] = spent
    return found


def cpu_seconds(record: Record) -> float | None:
    """CPU seconds of an iteration's rollout and update, of all processes of the run on the recording rank.

    `trainer` is everything that the process with the policy took: policy, update and transfer are in it, and so is the
    environment where it lives in that process.  Worker processes' come on top.
    """
    cpu = record.get("cpu_seconds")
    if not isinstance(cpu, dict) or "trainer" not in cpu:
        return None
    workers = (
        0.0 if record.get("in_process", _was_in_process(record)) else sum(cpu.get(name, 0.0) for name in _ENVIRONMENT)
    )
    return float(cpu["trainer"]) + workers


def _sum(before: float | None, more: float | None) -> float | None:
    """more: not a number where a table of several runs had to fill a gap."""
    return None if before is None or more is None or math.isnan(more) else before + more


def _was_in_process(record: Record) -> bool:
    """Infer ``in_process`` for records of version 0.1, which lack it.

    In process, the rollout's wall time is environment + policy + idle; with workers, environment + idle alone add up to
    it, once for each worker.
    """
    seconds = record["seconds"]
    accounted = sum(seconds[name] for name in (*_ENVIRONMENT, "idle"))
    in_process = abs(accounted + seconds["policy"] - seconds["rollout_wall"])
    return bool(in_process < abs(accounted - seconds["rollout_wall"]))
