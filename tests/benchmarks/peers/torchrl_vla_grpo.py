"""TorchRL's ``vla_grpo`` example on its CPU defaults, as it stands, and row H of our benchmark, in turn.

python -m tests.benchmarks.peers.torchrl_vla_grpo [--checkout FOLDER] [--python FILE] [--rounds N]

The example runs in an environment of its own (PEER_TORCHRL_PYTHON: its interpreter), watched by `torchrl_observer`.
The two do other work, and their ratio is no speed-up of the same task.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from tests.benchmarks.peers.checkout import find
from tests.benchmarks.peers.record import record
from tests.benchmarks.peers.running import run
from tests.benchmarks.workloads.throughput import job
from vla_rl_bench.errors import UserError

ROOT = Path(__file__).parents[3]
EXAMPLE = "sota-implementations/vla_grpo"
FILES = (f"{EXAMPLE}/vla-grpo.py", f"{EXAMPLE}/utils.py", f"{EXAMPLE}/config/vla_grpo_toy.yaml")
OVERRIDES = ("policy.device=cpu", "logger.backend=null", "logger.eval_episodes=1", "checkpoint.save_iter=0")
NOTES = (
    "the example at its defaults (TinyVLA on ToyVLAEnv, 16 px, chunks of 4 actions) but for: no logger, which wants "
    "torchcodec for a film, one episode of evaluation, no checkpoint. The first iteration, in which the evaluation "
    "falls, is left out",
    "other work on both sides: ours is the quickstart's recipe on the tabletop, one process, all chunks that were "
    "rolled out; theirs are decisions of completed trajectories, those of rejected groups too. No ratio is taken",
)


def theirs(python: Path, folder: Path, iterations: int) -> list[dict[str, float]]:
    """What the observer wrote, an entry an iteration, the first one left out."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "iterations.jsonl"
        asked = [*OVERRIDES, f"collector.total_iters={iterations + 1}", f"hydra.run.dir={scratch}/run"]
        observer = Path(__file__).with_name("torchrl_observer.py")
        done = subprocess.run(
            [str(python), str(observer), str(folder), str(out), *asked],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        if done.returncode or not out.is_file():
            raise UserError(f"TorchRL's example failed: {(done.stderr.strip() or 'no word').splitlines()[-1]}")
        return [json.loads(line) for line in out.read_text().splitlines()][1:]


def version(python: Path) -> str:
    """Of torchrl in that environment."""
    asked = "from importlib import metadata; print(metadata.version('torchrl'), metadata.version('torch'))"
    try:
        done = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise UserError(f"{python}: no interpreter with torchrl; set PEER_TORCHRL_PYTHON, or write --python") from None
    return "torchrl {}, torch {}".format(*done.stdout.split())


def spread(values: Sequence[float]) -> str:
    """Median, least and greatest; one value alone."""
    most = f" ({min(values):,.0f} to {max(values):,.0f})" if len(values) > 1 else ""
    return f"{statistics.median(values):,.0f}{most}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers.torchrl_vla_grpo")
    parser.add_argument("--checkout", type=Path, help="TorchRL's repository; else PEER_TORCHRL")
    parser.add_argument("--python", type=Path, help="an interpreter with torchrl; else PEER_TORCHRL_PYTHON")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=2, help="of a round")
    given = parser.parse_args(arguments)
    load = os.getloadavg()
    checkout = find("pytorch/rl", "PEER_TORCHRL", given.checkout, FILES)
    python = given.python or Path(os.environ.get("PEER_TORCHRL_PYTHON", "python"))
    running = version(python)
    torch.set_num_threads(1)
    peer: list[dict[str, float]] = []
    ours: list[tuple[int, float, float]] = []
    for seed in range(given.rounds):
        peer += theirs(python, (checkout.path / EXAMPLE).resolve(), given.iterations)
        ours += [(one.chunks, one.seconds.cpu, one.seconds.wall) for one in job(given.iterations, seed)]
    decided = "collector/completed_decisions"
    facts = {
        "TorchRL, decisions of an iteration": spread([one[decided] for one in peer]),
        "TorchRL, of which are learned from": spread([one["buffer/decisions"] for one in peer]),
        "TorchRL, decisions a CPU second": spread([one[decided] / one["cpu"] for one in peer]),
        "TorchRL, decisions a second of the wall": spread([one[decided] / one["wall"] for one in peer]),
        "TorchRL, seconds an iteration, CPU": spread([one["cpu"] for one in peer]),
        "TorchRL, seconds an iteration, wall": spread([one["wall"] for one in peer]),
        "ours (row H, one process), chunks a CPU second": spread([chunks / cpu for chunks, cpu, _ in ours]),
        "ours (row H, one process), chunks a second of the wall": spread([chunks / wall for chunks, _, wall in ours]),
    }
    record(
        checkout,
        "TorchRL: its vla_grpo example",
        drives=(f"{EXAMPLE}/vla-grpo.py ({running})",),
        stubs=(),
        command="PEER_TORCHRL=CHECKOUT PEER_TORCHRL_PYTHON=PYTHON python -m tests.benchmarks.peers.torchrl_vla_grpo "
        f"--rounds {given.rounds} --iterations {given.iterations}",
        same=(),
        notes=NOTES,
        facts=facts,
        load=load,
    )


if __name__ == "__main__":
    run(main)
