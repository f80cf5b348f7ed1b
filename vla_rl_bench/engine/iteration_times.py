"""Where an iteration's time went: seconds by activity, and how much of the cores' time was work."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import ACTIVITIES, Pool

WORK = (*ACTIVITIES, "policy")  # what utilisation counts; waiting, spinning and messages are none of it
SHOWN = (*ACTIVITIES, "policy", "transfer", "update", "idle")


@dataclass
class IterationTimer:
    """Wall and CPU readings around an iteration's rollout and update."""

    pool: Pool
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    pool_seconds: list[dict[str, float]] = field(default_factory=list)

    def read(self) -> None:
        """Take a reading: before the rollout, after it, after the update."""
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())
        self.pool_seconds.append(dict(self.pool.seconds))

    def spent(self, actor: Actor, chunks: int) -> dict[str, Any]:
        """What an iteration records of its time.  actor: made for this rollout.  chunks: in the batch.

        seconds: wall seconds by activity, summed over workers.  idle: those in which the workers neither stepped,
        rendered nor reset; with the environment in this process, what is neither that nor the policy.
        cpu_seconds: the same in CPU seconds; `trainer` is all that this process took for rollout and update.
        utilisation: of the rollout, (stepping + rendering + reset + policy CPU seconds) / (cores x wall).
        """
        rollout, update = self.wall[1] - self.wall[0], self.wall[2] - self.wall[1]
        workers = _grown(self.pool_seconds[0], self.pool_seconds[1])
        busy = {name: workers.get(name, 0.0) for name in ACTIVITIES}
        idle = self.pool.workers * rollout - sum(busy.values())
        if in_process(self.pool):
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
            "update": self.cpu[2] - self.cpu[1],
            "trainer": self.cpu[2] - self.cpu[0],
        }
        cores = usable_cores(self.pool)
        return {
            "seconds": _rounded(seconds),
            "cpu_seconds": _rounded(cpu),
            "cores": cores,
            "utilisation": round(sum(cpu[name] for name in WORK) / (cores * max(rollout, 1e-9)), 4),
            "chunks_per_second": round(chunks / max(rollout + update, 1e-9), 2),
        }


def in_process(pool: Pool) -> bool:
    """Whether the environment lives in this process, and steps while the policy waits."""
    return pool.forward_rows is None


def usable_cores(pool: Pool) -> int:
    """The cores that a rollout can keep busy: its workers and the policy's threads, as far as the machine has them."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    wanted = torch.get_num_threads() if in_process(pool) else pool.workers + 1
    return max(1, min(mine, wanted))


def summary(metrics: Mapping[str, Any]) -> str:
    """An iteration in one line: success of all that was rolled out, groups kept of drawn, where the time went."""
    spent = "  ".join(f"{name} {metrics['seconds'][name]:.1f}" for name in SHOWN)
    return (
        f"RL {metrics['rollout_success']:.0%} kept {metrics['kept']}/{metrics['drawn']} "
        f"waste {metrics['waste']:.0%} | {metrics['chunks_per_second']:.0f} chunks/s, "
        f"{metrics['utilisation']:.0%} busy | seconds: {spent} |"
    )


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
