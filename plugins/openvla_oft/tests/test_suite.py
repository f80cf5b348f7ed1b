"""Suites with this policy: killed and resumed, exported and loaded again, and on LIBERO itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from plugins.openvla_oft.tests import around
from vla_rl_bench import entries
from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.catalog import discover
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.options import make_options
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench.records.suite_record import suite_folder
from vla_rl_bench.suite.export import export
from vla_rl_bench_openvla_oft.options import LoraOptions, OpenVlaOftOptions
from vla_rl_bench_openvla_oft.policy import make

pytestmark = [pytest.mark.slow, pytest.mark.numeric]

TABLETOP = Path(__file__).parent / "tabletop.yaml"
LIBERO = Path(__file__).parents[3] / "suites" / "libero" / "openvla_oft.yaml"

RUN = """
import sys
from tests.suite.die import arm
from vla_rl_bench.cli.main import main
arm(sys.argv[1], int(sys.argv[2]))
sys.exit(main(sys.argv[3:]))
"""


def runs(folder: Path, arm: str) -> Path:
    return next(path for path in run_folders(suite_folder(folder)) if path.name.startswith(f"{arm}-"))


def bytes_of(folder: Path) -> dict[str, bytes]:
    names = ("policy.safetensors", "episodes.jsonl")
    return {f"{arm}/{name}": (runs(folder, arm) / name).read_bytes() for arm in ("sft", "sft-rl") for name in names}


@pytest.mark.parametrize("adapters", [(), ("policy.lora.rank=4",)], ids=["all weights", "LoRA"])
def test_killed_resumed_exported_and_loaded_again(standin: Path, tmp_path: Path, adapters: tuple[str, ...]) -> None:
    changes = [f"policy.checkpoint={standin}", *adapters]
    whole = run(TABLETOP, changes, out=tmp_path / "whole", jobs=1)
    for target, n in (("vla_rl_bench.engine.sft:_step", 4), ("vla_rl_bench.engine.update:_backward", 3)):
        arguments = [target, str(n), "run", str(TABLETOP), *changes, "--jobs", "1", "--out", str(tmp_path / "killed")]
        died = subprocess.run([sys.executable, "-c", RUN, *arguments], env=os.environ, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert bytes_of(run(TABLETOP, changes, out=tmp_path / "killed", jobs=1)) == bytes_of(whole)

    trained = runs(whole, "sft-rl")
    exported = export(trained, tmp_path / "exported", discover())
    found, again = (logits(source, bool(adapters) and source == standin) for source in (standin, exported))
    before = run_logits(standin, trained, adapters)
    torch.testing.assert_close(again, before, atol=1e-4 if adapters else 0, rtol=0)  # merging rounds
    assert not torch.allclose(found, before, atol=1e-3)


def policy_of(source: Path, lora: LoraOptions | None = None) -> Any:
    options = OpenVlaOftOptions(str(source), space="plain", chunk=4, probe=False, lora=lora)
    return make(tabletop(), options, 0).eval()


def tabletop() -> Any:
    entry = discover().environment("tabletop")
    return entries.load(entry.make)("object", make_options(entry.options, {}, "environment"), 1).contract


def seen(policy: Any) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = policy.collate(around.observations(tabletop(), 2), ["push the red cube", "lift"])
    return found


@torch.inference_mode()
def logits(source: Path, lora: bool) -> torch.Tensor:
    policy = policy_of(source, LoraOptions(rank=4) if lora else None)
    found: torch.Tensor = policy(seen(policy))
    return found


@torch.inference_mode()
def run_logits(source: Path, trained: Path, adapters: tuple[str, ...]) -> torch.Tensor:
    """Of a run's policy, as an evaluation loads it."""
    policy = policy_of(source, LoraOptions(rank=4) if adapters else None)
    checkpoint.load_policy(trained / "policy.safetensors", policy)
    found: torch.Tensor = policy.eval()(seen(policy))
    return found


SMALL = (
    "tasks={libero_object: [6]}", "environment.rendering=fast", "environment.step_limit=160",
    "demonstrations.per_task=1", "sft.steps=2", "sft.batch_size=4",
    "rl.iterations=1", "rl.groups=1", "rl.group_size=2", "rl.minibatch=2", "rl.weight_decay=0.5",
    "tricks.dynamic-sampling=off", "evaluation.per_task=1", "evaluation.sampling=[greedy]", "evaluation.table=greedy",
)  # fmt: skip


@pytest.mark.sim
def test_libero_through_the_suite_that_names_the_7b(standin: Path, tmp_path: Path) -> None:
    folder = run(LIBERO, [f"policy.checkpoint={standin}", *SMALL], out=tmp_path)
    record = json.loads((runs(folder, "sft-rl") / "run.json").read_text())
    assert record["status"] == "complete" and record["recipe"]["policy"]["attention"] == "bidirectional"
    metrics = json.loads((runs(folder, "sft-rl") / "metrics.jsonl").read_text())
    assert metrics["trajectories"] == 2
    assert 0 <= metrics["chunks"] * 8 - metrics["steps"] < 2 * 8  # only a trajectory's last chunk may be cut short
    assert metrics["kl"] == pytest.approx(0, abs=1e-3)  # the update began at the rollout's log-probs
    policies = [checkpoint_of(runs(folder, arm)) for arm in ("sft", "sft-rl")]
    assert any(not np.array_equal(policies[0][name], policies[1][name]) for name in policies[0])


def checkpoint_of(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "policy.safetensors")


@pytest.mark.sim
def test_sft_on_recorded_hdf5(standin: Path, tmp_path: Path) -> None:
    """LIBERO's own file format, through ``demonstrations.source``."""
    pytest.importorskip("h5py")
    from plugins.libero.tests import test_hdf5

    name = "pick_up_the_butter_and_place_it_in_the_basket_demo.hdf5"
    test_hdf5.write(tmp_path / "data" / name, *(test_hdf5.episode(seed) for seed in range(2)))
    changes = [f"policy.checkpoint={standin}", *SMALL, f"environment.image_size={test_hdf5.SIZE}"]
    changes += [f"demonstrations.source={tmp_path / 'data'}", "demonstrations.per_task=2", "sft.microbatch=2"]
    folder = run(LIBERO, [*changes, "rl.groups=1"], out=tmp_path)
    record = json.loads((runs(folder, "sft") / "run.json").read_text())
    assert record["recipe"]["demonstrations"] == {"per_task": 2, "source": str(tmp_path / "data")}
    assert record["status"] == "complete"
