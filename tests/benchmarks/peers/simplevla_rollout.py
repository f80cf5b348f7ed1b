"""SimpleVLA-RL's rollout, as it stands, beside ours and beside our re-implementation of its schedule.

python -m tests.benchmarks.peers.simplevla_rollout [--checkout FOLDER] [--rounds N] [--groups N]

Row B's fake environment and policy, 512 steps an episode at most, ends drawn by lot; see `simplevla_fake`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.peers import simplevla_fake as peer
from tests.benchmarks.peers.checkout import find
from tests.benchmarks.peers.record import record
from tests.benchmarks.peers.running import run
from tests.benchmarks.peers.sides import Comparison, interleaved
from tests.benchmarks.peers.simplevla_actor import FIRST_WORD
from tests.benchmarks.published_schedules.waves import WAVE
from tests.benchmarks.support.constant_cost_env import CHUNK, CONSTANT_COST, ConstantCostOptions
from tests.benchmarks.support.constant_cost_policy import ConstantCostPolicy
from tests.benchmarks.support.equivalence import Different, same_trajectories
from tests.benchmarks.support.pairs import ratio_text
from tests.benchmarks.workloads.rollout import (
    SECONDS,
    TEMPERATURE,
    WORKERS,
    continuous,
    episodes,
    products_taking,
    waves,
)
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import open_pool
from vla_rl_bench.types import Trajectory

LIMIT = 512  # its max_steps on every LIBERO suite
OURS, OUR_BASELINE, PEER = "ours, continuous", "our `published_schedules/waves.py`", "peer's `rob_rollout.py`"


def same(ours: Sequence[Trajectory], theirs: Sequence[Any]) -> str:
    """Tokens of executed chunks, pictures, steps and outcomes of every episode, bit for bit."""
    words = np.concatenate([one.batch["responses"].numpy() for one in theirs]) - FIRST_WORD
    shades = np.concatenate([one.batch["pixel_values"][:, :, 0, 0, 0].numpy() for one in theirs])
    steps = np.concatenate([one.batch["finish_step"].numpy() for one in theirs])
    ended = np.concatenate([one.batch["complete"].numpy() for one in theirs])
    for number, one in enumerate(ours):
        chunks = len(one.steps)
        mine = one.tokens.reshape(chunks, -1)
        agree = {
            "tokens": np.array_equal(mine, words[number, :chunks]),
            "pictures": np.array_equal(one.observations.images["top"][:, 0, 0, 0], shades[number, :chunks]),
            "steps": int(one.steps.sum()) == int(steps[number]),
            "outcome": one.success == bool(ended[number]),
        }
        if not all(agree.values()):
            raise Different(f"episode {number}: {agree}")
    return f"tokens, pictures, steps and outcomes of all {len(ours)} episodes, bit for bit"


def beside_baseline(one: Comparison) -> str:
    cpu, wall = one.ratios(PEER, OUR_BASELINE)
    return f"CPU {ratio_text(cpu)}, wall {ratio_text(wall)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers.simplevla_rollout")
    parser.add_argument("--checkout", type=Path, help="SimpleVLA-RL's repository; else PEER_SIMPLEVLA_RL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--groups", type=int, default=2, help="of eight episodes")
    given = parser.parse_args(arguments)
    load = os.getloadavg()
    checkout = find("PRIME-RL/SimpleVLA-RL", "PEER_SIMPLEVLA_RL", given.checkout, peer.FILES)
    torch.set_num_threads(1)
    work = CHUNK * max(1, products_taking(SECONDS) // CHUNK)
    options, policy, todo = ConstantCostOptions(work, LIMIT), ConstantCostPolicy(work), episodes(given.groups)
    with contextlib.redirect_stdout(io.StringIO()):
        made, wrapped = peer.rollout(peer.load(checkout.path), options, Actor(policy, TEMPERATURE))
    pool = open_pool(
        CONSTANT_COST,
        "constant-cost",
        options,
        slots=0,
        workers=WORKERS,
        environments=WAVE // WORKERS,
        deterministic=False,
    )
    try:
        sides = {
            OURS: partial(continuous, pool, Actor(policy, TEMPERATURE), todo),
            OUR_BASELINE: partial(waves, pool, Actor(policy, TEMPERATURE), todo),
            PEER: partial(peer.play, made, wrapped, todo, WAVE),
        }
        ours = sides[OURS]()
        same_trajectories(ours, sides[OUR_BASELINE]())
        agreed = same(ours, sides[PEER]())
        valid = sum(len(one.steps) for one in ours) / (len(ours) * LIMIT / CHUNK)
        what = f"rollout of {len(todo)} episodes of at most {LIMIT} steps, {valid:.0%} of the chunks executed"
        found = interleaved(what, sides, given.rounds)
    finally:
        pool.close()
    record(
        checkout,
        "SimpleVLA-RL: the rollout",
        drives=("RobHFRollout.generate_sequences", "_generate_minibatch_libero", "process_input", "env_worker"),
        stubs=peer.STUBS,
        command="PEER_SIMPLEVLA_RL=CHECKOUT python -m tests.benchmarks.peers.simplevla_rollout "
        f"--rounds {given.rounds} --groups {given.groups}",
        same=[agreed],
        notes=[
            f"a chunk costs the same matrix products in the environment and in the policy on all sides, about "
            f"{1000 * SECONDS:g} ms each on a free core; {WORKERS} workers of {WAVE // WORKERS} environments on our "
            f"sides, {WAVE} processes a wave, forked anew, on the peer's, as it has them",
            "the peer's making of its padded output batch is timed, as ours' making of trajectories is",
        ],
        comparisons=[found],
        facts={"the peer's own over our baseline": beside_baseline(found)},
        load=load,
    )


if __name__ == "__main__":
    run(main)
