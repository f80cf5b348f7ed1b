"""Two processes with DeepSpeed learn what one process learns: the same batches, the same losses, the same weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vla_rl_bench.analysis.outputs import run

pytest.importorskip("deepspeed", reason="needs DeepSpeed: pip install -e '.[deepspeed]'")
pytestmark = pytest.mark.slow

SUITE = Path(__file__).parent / "gang.yaml"


def start(
    out: Path, zero: int, *changes: str, mistake: tuple[str, ...] = (), precision: str = "float32"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.strategies.gang", *mistake, "run", str(SUITE), "--out", str(out)]
    command += ["strategy.name=deepspeed", f"strategy.zero={zero}", f"strategy.precision={precision}", *changes]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def end(out: Path, zero: int, *changes: str, mistake: tuple[str, ...] = (), precision: str = "float32") -> None:
    """As `start`, to its end; what both ranks said is shown when one fails."""
    ended = start(out, zero, *changes, mistake=mistake, precision=precision)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def run_of(folder: Path, arm: str) -> Path:
    return next(path for path in (folder / "gang" / "runs").iterdir() if path.name.startswith(f"{arm}-object"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    run(SUITE, out=folder)
    return folder


@pytest.fixture
def begun(single: Path, tmp_path: Path) -> Path:
    """A folder where SFT is done, so that RL begins at the same weights."""
    shutil.copytree(single, tmp_path / "out")
    shutil.rmtree(run_of(tmp_path / "out", "sft-rl"))
    return tmp_path / "out"


def apart(single: Path, other: Path) -> dict[str, float]:
    """How far the learnt changes lie apart, relative to their size: ``|w - w'| / |w - w0|`` by tensor.

    A key's bias is left out: softmax does not see it, so its gradient is rounding noise, which Adam scales up.
    """
    before = seen(run_of(single, "sft"))
    mine, theirs = (seen(run_of(folder, "sft-rl")) for folder in (single, other))
    return {name: float((mine[name] - theirs[name]).norm() / (mine[name] - before[name]).norm()) for name in mine}


def seen(folder: Path) -> dict[str, Tensor]:
    state = load_file(folder / "policy.safetensors")
    for name, value in state.items():
        if name.endswith("key_value.bias"):
            state[name] = value[len(value) // 2 :]
    return state


def losses(folder: Path) -> list[float]:
    return [record["loss"] for record in lines(run_of(folder, "sft-rl") / "metrics.jsonl")]


@pytest.mark.parametrize("zero", [2, 3])
def test_two_processes_learn_what_one_does(single: Path, begun: Path, zero: int) -> None:
    end(begun, zero)
    assert len(losses(single)) == 3 and losses(begun) == pytest.approx(losses(single), abs=1e-5)
    assert max(apart(single, begun).values()) < 1e-3
    mine, theirs = (lines(run_of(folder, "sft-rl") / "metrics.jsonl") for folder in (single, begun))
    for name in ("kept", "drawn", "chunks", "steps", "rollout_success"):
        assert [record[name] for record in mine] == [record[name] for record in theirs]
    record = json.loads((run_of(begun, "sft-rl") / "run.json").read_text())
    assert record["strategy"]["name"] == f"deepspeed-zero{zero}" and record["strategy"]["processes"] == 2
    assert (run_of(begun, "sft-rl") / "episodes.jsonl").read_text().count("\n") == 12 + 12 + 20 + 20


def test_in_bfloat16_the_copy_that_acts_is_what_learns(tmp_path: Path) -> None:
    """One optimiser step an iteration: until it is taken, the ratio of new to old probabilities is 1."""
    few = ("arms.sft.sft.steps=60", "rl.iterations=2", "rl.minibatch=36", "rl.curve=null")
    end(tmp_path, 3, *few, precision="bfloat16")
    metrics = [record for record in lines(run_of(tmp_path, "sft-rl") / "metrics.jsonl") if record["kept"]]
    assert metrics and all(abs(record["kl"]) < 1e-3 and record["clip_fraction"] < 0.01 for record in metrics)


def test_a_lost_gradient_shows(single: Path, begun: Path) -> None:
    end(begun, 2, mistake=("--lose-gradients", "1"))
    assert max(apart(single, begun).values()) > 0.1
    assert losses(begun) != pytest.approx(losses(single), abs=1e-5)


def test_a_gang_that_lost_a_rank_resumes(single: Path, begun: Path) -> None:
    """Rank 1 is killed in the second iteration; SFT runs under DeepSpeed too."""
    assert start(begun, 3, mistake=("--die", "3")).returncode != 0
    assert not (run_of(begun, "sft-rl") / "policy.safetensors").exists()
    assert len(losses(begun)) >= 1
    end(begun, 3)
    assert losses(begun) == pytest.approx(losses(single), abs=1e-5)
    assert max(apart(single, begun).values()) < 1e-3
    assert not list(run_of(begun, "sft-rl").glob("*.shards"))


def test_sft_under_deepspeed_is_sft(single: Path, tmp_path: Path) -> None:
    shutil.copytree(single / "gang" / "demonstrations", tmp_path / "gang" / "demonstrations")
    assert start(tmp_path, 3, mistake=("--die", "150")).returncode != 0  # in the middle of SFT
    end(tmp_path, 3)
    mine, theirs = (seen(run_of(folder, "sft")) for folder in (single, tmp_path))
    for name, value in mine.items():  # 200 steps of Adam make rounding grow
        assert torch.linalg.vector_norm(value - theirs[name]) <= 0.05 * value.norm(), name
