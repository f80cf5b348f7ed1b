"""Two processes with DeepSpeed compute what one process computes.

Rollouts are recorded once and go into one process and into two: a sampled token may depend on the last digit of a
weight, so whole training runs of one and of two processes are not comparable.  The tolerances are for float32 sums in
another order.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.builtin.nano.policy import make as make_nano
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single

pytest.importorskip("deepspeed", reason="needs DeepSpeed: pip install -e '.[deepspeed]'")
pytestmark = [pytest.mark.slow, pytest.mark.numeric]

from tests.strategies import ranks  # noqa: E402  (imports DeepSpeed's strategy)

SUITE = Path(__file__).parent / "two_processes.yaml"
GRADIENT_ROUNDING = 1e-6  # of the gradient's norm
LOSS_ROUNDING = 1e-5


def launch(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `tests.strategies.ranks` in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    command += ["-m", "tests.strategies.ranks", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def finish(*arguments: str) -> None:
    """As `launch`, to its end; the output of both ranks is printed if one of them fails."""
    process = launch(*arguments)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "recorded.pickle").write_bytes(pickle.dumps(ranks.record()))
    return folder


@pytest.fixture(scope="module")
def recorded(folder: Path) -> ranks.Recorded:
    recorded: ranks.Recorded = pickle.loads((folder / "recorded.pickle").read_bytes())
    return recorded


@pytest.fixture(scope="module")
def single(folder: Path, recorded: ranks.Recorded) -> ranks.Results:
    return ranks.compute(Single(SingleOptions(device="cpu")), recorded, folder)


@pytest.fixture(scope="module", params=[2, 3], ids=["zero2", "zero3"])
def distributed(folder: Path, request: pytest.FixtureRequest) -> ranks.RankResults:
    """The results of two processes under a ZeRO stage."""
    finish("train", str(folder), str(request.param))
    results: ranks.RankResults = pickle.loads((folder / f"zero{request.param}.pickle").read_bytes())
    return results


def assert_same_gradients(expected: ranks.Update, result: ranks.Update) -> None:
    assert expected.gradients.keys() == result.gradients.keys()
    for name, gradient in expected.gradients.items():
        allowed = {"atol": GRADIENT_ROUNDING * expected.norms[0], "rtol": 1e-4}
        torch.testing.assert_close(result.gradients[name], gradient, **allowed, msg=lambda text, name=name: name + text)


def assert_same_first_step(expected: ranks.Update, result: ranks.Update) -> None:
    """Compare the weights after one step of Adam.

    It moves each weight by the learning rate times g / |g|, so a rounding error d of the gradient moves it by up to
    2 d / |g| of the learning rate: all of it where the gradient is nothing but rounding, as that of a key's bias is.
    """
    for name, weight in expected.weights.items():
        if name not in expected.gradients:  # a buffer
            assert torch.equal(result.weights[name], weight)
            continue
        size = expected.gradients[name].abs()
        error = GRADIENT_ROUNDING * expected.norms[0] + 1e-4 * size
        allowed = ranks.RL.learning_rate * (2 * error / size.clamp_min(1e-30)).clamp(max=2.0) + 1e-6 * weight.abs()
        assert ((result.weights[name] - weight).abs() <= allowed).all(), name


def logprobs(recorded: ranks.Recorded, weights: dict[str, Tensor] | None = None) -> Tensor:
    """The log-probs that a policy gives to the recorded tokens; without `weights`, the policy before training."""
    policy = make_nano(ranks.new_pool().contract, ranks.NANO, 0)
    if weights is not None:
        policy.load_state_dict(weights)
    batch = recorded.batch
    with torch.no_grad():
        logits = policy(policy.collate(batch.observations, batch.instructions))
    return token_logprobs(logits, batch.tokens, ranks.TEMPERATURE)


def distance(recorded: ranks.Recorded, expected: dict[str, Tensor], result: dict[str, Tensor]) -> float:
    """Distance of two trained policies' log-probs, relative to the distance that training moved them."""
    before, after, compared = (logprobs(recorded, weights) for weights in (None, expected, result))
    return float((after - compared).norm() / (after - before).norm())


def test_gradients_are_those_of_a_single_process(single: ranks.Results, distributed: ranks.RankResults) -> None:
    expected, result = single.whole, distributed.results.whole
    assert 0 < expected.metrics["clip_fraction"] < 1 and expected.norms[0] > 1e-3
    for name in ("loss", "kl", "entropy"):
        assert result.metrics[name] == pytest.approx(expected.metrics[name], abs=LOSS_ROUNDING), name
    assert result.metrics["updates"] == expected.metrics["updates"] == 1
    assert result.norms == pytest.approx(expected.norms, rel=1e-4)
    assert_same_gradients(expected, result)


def test_weights_are_those_of_a_single_process(
    single: ranks.Results, distributed: ranks.RankResults, recorded: ranks.Recorded
) -> None:
    assert_same_first_step(single.whole, distributed.results.whole)
    expected, result = single.parts, distributed.results.parts
    assert result.metrics["updates"] == expected.metrics["updates"] == 3
    assert result.metrics["loss"] == pytest.approx(expected.metrics["loss"], abs=LOSS_ROUNDING)
    assert result.norms == pytest.approx(expected.norms, rel=1e-3)
    assert distance(recorded, expected.weights, result.weights) < 1e-3


def test_lost_gradients_of_a_rank_are_noticed(
    single: ranks.Results, distributed: ranks.RankResults, recorded: ranks.Recorded
) -> None:
    """The comparisons above fail if the gradients of one rank are lost."""
    whole, parts = distributed.losing
    with pytest.raises(AssertionError):
        assert_same_gradients(single.whole, whole)
    with pytest.raises(AssertionError):
        assert_same_first_step(single.whole, whole)
    assert distance(recorded, single.parts.weights, parts.weights) > 0.1


def test_sft_is_that_of_a_single_process(
    single: ranks.Results, distributed: ranks.RankResults, recorded: ranks.Recorded
) -> None:
    assert distributed.results.sft.loss == pytest.approx(single.sft.loss, abs=1e-4)
    assert distance(recorded, single.sft.weights, distributed.results.sft.weights) < 1e-3


def test_resumed_sft_is_the_uninterrupted_one(distributed: ranks.RankResults) -> None:
    assert distributed.resumed.loss == distributed.results.sft.loss
    for name, weight in distributed.results.sft.weights.items():
        assert torch.equal(distributed.resumed.weights[name], weight), name


def test_every_rank_gets_the_batch_of_a_single_process(single: ranks.Results, distributed: ranks.RankResults) -> None:
    """The kept groups are the same prefix of the launch order, with the same rollouts."""
    expected = single.groups
    assert len(expected.groups) == ranks.GROUPS < expected.sampled_groups
    assert len(distributed.batches) == 2
    for batch in distributed.batches:
        assert batch.metrics() == expected.metrics()
        assert [(group.index, group.start) for group in batch.groups] == [
            (group.index, group.start) for group in expected.groups
        ]
        for group, expected_group in zip(batch.groups, expected.groups, strict=True):
            for trajectory, same in zip(group.trajectories, expected_group.trajectories, strict=True):
                assert (trajectory.rollout, trajectory.success) == (same.rollout, same.success)
                assert (trajectory.tokens == same.tokens).all() and (trajectory.steps == same.steps).all()


@pytest.mark.parametrize("distributed", [3], indirect=True, ids=["zero3"])
def test_bfloat16_copy_that_acts_is_the_policy_that_learns(distributed: ranks.RankResults) -> None:
    """Before an optimizer step the ratio of new to old probabilities is 1, up to bfloat16's rounding."""
    acting = distributed.bfloat16
    assert acting is not None and len(acting.fresh) == 2
    for metrics in acting.fresh:
        assert abs(metrics["kl"]) < 1e-3 and metrics["clip_fraction"] < 0.01
    assert abs(acting.stale["kl"]) > 1e-3 and acting.stale["clip_fraction"] > 0.01  # the step itself shows


def run_folder(out: Path, arm: str) -> Path:
    return next(path for path in (out / "two_processes" / "runs").iterdir() if path.name.startswith(f"{arm}-object"))


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_run_that_lost_a_rank_resumes(tmp_path: Path) -> None:
    """Rank 1 is killed in the second of three iterations: the finished run is the uninterrupted one."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(SUITE, out=whole)  # fine-tuning, so that both begin with the same weights
    shutil.rmtree(run_folder(whole, "sft-rl"))
    shutil.copytree(whole, killed)
    command = ("run", str(SUITE), "strategy.name=deepspeed", "strategy.zero=3", "--out")
    finish(*command, str(whole))
    assert launch(*command, str(killed), KILL_AT_STEP="3").returncode != 0
    assert not (run_folder(killed, "sft-rl") / "policy.safetensors").exists()
    assert len(records(run_folder(killed, "sft-rl") / "metrics.jsonl")) == 1
    finish(*command, str(killed))
    folder, same = run_folder(whole, "sft-rl"), run_folder(killed, "sft-rl")
    for name in ("policy.safetensors", "episodes.jsonl"):
        assert (folder / name).read_bytes() == (same / name).read_bytes(), name
    metrics, resumed = (
        [(record["loss"], record["grad_norm"]) for record in records(path / "metrics.jsonl")] for path in (folder, same)
    )
    assert metrics == resumed and len(metrics) == 3 and metrics[1][1] > 0
    assert not list(same.glob("*.shards"))
    record = json.loads((folder / "run.json").read_text())
    assert record["strategy"]["name"] == "deepspeed-zero3" and record["strategy"]["processes"] == 2
    assert len(records(folder / "episodes.jsonl")) == 12 + 12 + 20 + 20
