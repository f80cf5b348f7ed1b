"""The loop around collecting and updating: what an iteration records, predicts and leaves to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import recipe
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.grpo import train
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.iteration_times import SHOWN
from vla_rl_bench.engine.training import LossFunctions, Training, TrainingStarts
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.types import Group

pytestmark = pytest.mark.numeric

SAME = ("drawn", "kept", "chunks", "acceptance", "rollout_success", "loss", "entropy", "grad_norm")
COUNTS = (*SAME, "wasted_chunks")


class EvenStartsDrawnOnce:
    """Keeps the groups from even starts, some more and some less than half of a batch's."""

    @hookimpl
    def keep_group(self, group: Group) -> bool:
        return group.start.index % 2 == 0


class EvenStarts(EvenStartsDrawnOnce):
    """The same, drawing at most four batches."""

    @hookimpl
    def draw_limit(self, default: float) -> float:
        return 4.0


def trained(
    folder: Path, iterations: int = 5, trick: EvenStartsDrawnOnce | None = None, **changes: Any
) -> list[dict[str, Any]]:
    """Run, or resume, with the forwards of worker processes, one observation each -> the metrics."""
    pool = InProcessPool(make_tabletop("object", TabletopOptions(), 10))
    pool.forward_rows, pool.in_process = 1, False
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0)
    folder.mkdir(exist_ok=True)
    config = recipe(iterations=iterations, group_size=2, learning_rate=1e-4, **changes)
    training = Training(
        folder=RunFolder(folder),
        trainer=Single(SingleOptions(device="cpu")).prepare(policy),  # type: ignore[arg-type]
        ranks=SingleProcess(),
        pool=pool,
        hooks=RunHooks([trick or EvenStarts()]),
        config=config,
        functions=LossFunctions(group_advantages, clipped),
        starts=TrainingStarts((0, 1, 2, 3), (10_000, 20_000), 0),
        curve=(),
        progress=lambda *_: None,
    )
    train(training)
    return read_json_lines(folder / "metrics.jsonl")


def counts(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one.get(name) for name in COUNTS} for one in metrics]


def test_over_provision_changes_the_waste_and_nothing_else(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", overprovision=False)
    more = trained(tmp_path / "more")
    assert {one["wasted_chunks"] for one in plain} == {0}
    assert more[0]["wasted_chunks"] == 0  # there is nothing to predict from
    assert sum(one["wasted_chunks"] for one in more) > 0
    for one, other in zip(plain, more, strict=True):
        assert {name: one.get(name) for name in SAME} == {name: other.get(name) for name in SAME}
        assert other["waste"] == other["wasted_chunks"] / (other["chunks"] + other["wasted_chunks"])


def test_a_resumed_run_predicts_the_same(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "parts", iterations=3)
    assert counts(trained(tmp_path / "parts")) == counts(whole)


def test_surplus_serves_one_iteration_later(tmp_path: Path) -> None:
    found = trained(tmp_path, groups=3, reuse_surplus=True)
    assert found[0]["reused"] == 0 and sum(one["reused"] for one in found) > 0
    assert all(one["kept"] + one["reused"] == 3 for one in found)


def test_a_batch_smaller_than_a_minibatch_is_one_optimiser_step(tmp_path: Path) -> None:
    """As dynamic sampling may leave it; a suite whose minibatch exceeds the whole batch is rejected by `validate`."""
    metrics = trained(tmp_path, trick=EvenStartsDrawnOnce(), groups=4, minibatch=8)
    partial = [record for record in metrics if 0 < record["kept"] < 4]
    assert partial and {record["updates"] for record in partial} == {1}


def test_an_iteration_says_where_its_time_went(tmp_path: Path) -> None:
    (found,) = trained(tmp_path, iterations=1, microbatch_gb=0.05, check_logprobs=True)
    assert set(SHOWN) <= found["seconds"].keys() and {"trainer", "policy", "update"} <= found["cpu_seconds"].keys()
    assert found["utilisation"] > 0 and found["chunks_per_second"] > 0 and found["cores"] >= 1
    assert found["microbatch"] >= 1 and found["logprob_difference"] < 1e-4


def test_a_budget_below_one_chunk_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rl\.microbatch_gb: one chunk's activations take"):
        trained(tmp_path, iterations=1, microbatch_gb=1e-6)
