"""Times of an iteration: seconds by activity, and the share of the cores' time that was work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import ACTIVITIES, Pool
from vla_rl_bench.rollout.timing import TRAINER

WORK = (*ACTIVITIES, "policy")  # counts as utilisation, unlike waiting, spinning and messages
SHOWN = (*ACTIVITIES, "policy", "transfer", "update", "idle")


class IterationTimer:
    """Wall and CPU seconds of an iteration's rollout and update."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.pool_seconds: dict[str, dict[str, float]] = {}  # by stage; see `Pool.seconds`

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Measure the body as ``rollout`` or ``update``."""
        wall, cpu, before = time.perf_counter(), time.process_time(), dict(self.pool.seconds)
        try:
            yield
        finally:
            ended = time.perf_counter()
            self.wall[stage], self.cpu[stage] = ended - wall, time.process_time() - cpu
            self.pool_seconds[stage] = _grown(before, self.pool.seconds)
            if stage == "update":  # the parts of a rollout are recorded by the pool
                self.pool.clock.add(TRAINER, stage, wall, ended)

    def metrics(self, actor: Actor, chunks: int) -> dict[str, Any]:
        """Return the times that an iteration records.

        ``seconds``: wall seconds by activity, summed over workers.  ``idle``: those in which the workers neither
        stepped, rendered nor reset; with the environment in this process, also without the policy's.
        ``cpu_seconds``: the same in CPU seconds; ``trainer`` is all that this process took for rollout and update.
        ``utilisation``: of the rollout, (stepping + rendering + reset + policy CPU seconds) / (cores x wall).

        Args:
            actor: The actor of this rollout.
            chunks: Chunks in the batch.
        """
        rollout, update = self.wall["rollout"], self.wall["update"]
        workers = self.pool_seconds["rollout"]
        busy = {name: workers.get(name, 0.0) for name in ACTIVITIES}
        idle = self.pool.workers * rollout - sum(busy.values())
        if self.pool.in_process:
            idle -= actor.seconds
        seconds = busy | {
            "policy": actor.seconds,
            "transfer": workers.get("transfer", 0.0),
            "update": update,
            "idle": idle,
            "rollout_wall": rollout,
        }
        cpu = {name: workers.get(f"cpu:{name}", 0.0) for name in (*ACTIVITIES, "transfer")}
        cpu |= {
            "policy": actor.cpu_seconds,
            "update": self.cpu["update"],
            "trainer": self.cpu["rollout"] + self.cpu["update"],
        }
        cores = usable_cores(self.pool)
        return {
            "in_process": self.pool.in_process,
            "seconds": _rounded(seconds),
            "cpu_seconds": _rounded(cpu),
            "cores": cores,
            "utilisation": round(sum(cpu[name] for name in WORK) / (cores * max(rollout, 1e-9)), 4),
            "chunks_per_second": round(chunks / max(rollout + update, 1e-9), 2),
        }


def usable_cores(pool: Pool) -> int:
    """Cores that a rollout can keep busy: its workers and the policy's threads, at most those of the machine."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    needed = torch.get_num_threads() if pool.in_process else pool.workers + 1
    return max(1, min(available, needed))


def summary(metrics: Mapping[str, Any]) -> str:
    """Summarize an iteration: success of all rollouts, groups kept of sampled, wasted chunks."""
    return f"RL {metrics['rollout_success']:.0%} kept {metrics['kept']}/{metrics['drawn']} waste {metrics['waste']:.0%}"


def times_summary(metrics: Mapping[str, Any]) -> str:
    """Summarize the speed and the times of an iteration."""
    times = "  ".join(f"{name} {metrics['seconds'][name]:.1f}" for name in SHOWN)
    return f"{metrics['chunks_per_second']:.0f} chunks/s, {metrics['utilisation']:.0%} busy, seconds: {times}"


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
