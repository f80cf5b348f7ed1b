"""What an iteration cost is counted once, wherever the environment lives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vla_rl_bench.engine.iteration_times import IterationTimer
from vla_rl_bench.records.costs import Cost, costs, cpu_seconds


def record(iteration: int, workers: int, trajectories: int = 8) -> dict[str, Any]:
    """Make the metrics of an iteration: 2 s of wall time for the rollout, 1 s for the update.

    workers: 0 for an environment in the trainer's process.
    """
    pool = SimpleNamespace(seconds={}, workers=max(workers, 1), in_process=not workers)
    watch = IterationTimer(cast(Any, pool))
    work = {"stepping": 0.6, "rendering": 0.3, "reset": 0.1}
    work |= {f"cpu:{name}": value for name, value in work.items()}
    work |= {"transfer": 0.05, "cpu:transfer": 0.05} if workers else {}
    watch.wall, watch.cpu = {"rollout": 2.0, "update": 1.0}, {"rollout": 1.5, "update": 1.0}
    watch.pool_seconds = {"rollout": work, "update": {}}
    actor = SimpleNamespace(seconds=0.4, cpu_seconds=0.4)
    spent = watch.metrics(cast(Any, actor), chunks=10)
    return {"iteration": iteration, "trajectories": trajectories, **spent}


def test_cpu_seconds_in_process_is_the_trainers() -> None:
    assert cpu_seconds(record(1, workers=0)) == pytest.approx(2.5)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_cpu_seconds_adds_the_workers_to_the_trainer(workers: int) -> None:
    assert cpu_seconds(record(1, workers=workers)) == pytest.approx(2.5 + 1.0)


def test_costs_adds_up_in_the_order_of_iterations() -> None:
    found = costs([record(2, 0, 12), record(1, 0, 8)])
    assert found == {0: Cost(0, 0.0), 1: Cost(8, 2.5), 2: Cost(20, 5.0)}


def test_costs_is_none_after_an_iteration_without_record() -> None:
    found = costs([{"iteration": 1, "trajectories": 8}, record(2, 0)])
    assert (found[1], found[2]) == (Cost(8, None), Cost(16, None))
    assert costs([{"iteration": 1}])[1] == Cost(None, None)
    assert costs([{"iteration": 1, "trajectories": float("nan"), "cpu_seconds": float("nan")}])[1] == Cost(None, None)
