"""SimpleVLA-RL's update, as it stands, beside ours and beside our re-implementation of its schedule.

python -m tests.benchmarks.peers.simplevla_update [--checkout FOLDER] [--rounds N]

Same weights, same trajectories, one process, one thread.  See `simplevla_actor` for what is stood in for.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plugins.openvla_oft.tests.random_model import INPUT, config_of
from tests.benchmarks.peers import simplevla_actor as peer
from tests.benchmarks.peers.checkout import find
from tests.benchmarks.peers.oft import oft
from tests.benchmarks.peers.oft import spec as oft_spec
from tests.benchmarks.peers.record import record
from tests.benchmarks.peers.running import run
from tests.benchmarks.peers.sides import Comparison, interleaved
from tests.benchmarks.published_schedules import padded as schedule
from tests.benchmarks.support import synthetic_trajectories
from tests.benchmarks.support.equivalence import close, gradients, same_gradients
from tests.benchmarks.support.pairs import ratio_text
from tests.benchmarks.support.peak_memory import peak_bytes
from tests.benchmarks.support.settings import nano, tabletop, trainer
from tests.benchmarks.support.update_workload import CLIP, STILL, TEMPERATURE, UpdateWorkload, config
from vla_rl_bench.algorithms.sampling import token_entropy, token_logprobs
from vla_rl_bench.catalog import discover
from vla_rl_bench.rollout.actor import Actor

VALID = (0.25, 0.5, 1.0)
WHOLE_AT = 0.5  # the share at which the whole-vocabulary head is measured; it takes long
OURS, OUR_BASELINE, PEER = "ours, packed", "our `published_schedules/padded.py`", "peer's `dp_rob.py`"
PEER_WHOLE = "peer's `dp_rob.py`, whole-vocabulary head"
NOTES = (
    "one mini-batch of 16 trajectories of up to 64 chunks (built-in policy: row C's work) or 8 of up to 16 (tiny "
    f"OpenVLA-OFT: hidden width 64, {INPUT.positions(config_of('tiny'))} positions, 32064 words); slices of 16, "
    "float32, one thread, AdamW with a learning rate that moves nothing",
    "the model is this project's on all sides: the peer's `modeling_prismatic.py` asks for timm 0.9 and a fork of "
    "transformers 4.40.1, which cannot be in one process with ours. `whole-vocabulary head` computes what its "
    "`forward` does, 32064 logits at every position; at a width of 64 that is nearly all the work, at the 7B's "
    "4096 about 2%: that row is no prediction for a real model. The other rows give the peer only the 256 logits "
    "that are read",
    "the peer's batch is made before the clock starts; packing ours is timed",
)


def learning(policy: Any, spec: Any, trajectories: int, chunks: int, valid: float) -> UpdateWorkload:
    trained = trainer(discover(), policy)
    sizes = synthetic_trajectories.lengths(trajectories, chunks, valid)
    with trained.acting() as acting:
        groups = synthetic_trajectories.groups(spec, Actor(acting, TEMPERATURE), sizes)
    return UpdateWorkload(policy, trained, groups, [one.instruction for one in spec.tasks], chunks, trajectories)


def actor_of(kind: Any, work: UpdateWorkload, module: Any, *, keeping: bool = False) -> Any:
    """The peer's actor with the weights that ours trains."""
    optimiser = peer.Keeping(module) if keeping else torch.optim.AdamW(module.parameters(), lr=STILL, weight_decay=0)
    grad_clip = math.inf if keeping else config(work.minibatch).grad_clip
    asked = peer.settings(work.policy, work.minibatch, CLIP, proprio=module.proprio, grad_clip=grad_clip)
    actor = kind(asked, module, optimiser)
    actor.pad_token_id = peer.PAD
    return actor


def same(kind: Any, work: UpdateWorkload, module: Any) -> dict[str, float]:
    """Log-probs and gradients of the peer and of ours agree -> by how much they differ."""
    padded = work.padded()
    data = peer.batch(padded, module, work.policy, TEMPERATURE)
    actor = actor_of(kind, work, module, keeping=True)
    theirs = actor.compute_log_prob(data).view(padded.mask.shape)
    ours = padded.old_logprobs * padded.mask
    close("log-probs of compute_log_prob", ours, theirs, 1e-4)
    actor.update_policy(data)
    found: list[Tensor] = actor.actor_optimizer.gradients
    mine = gradients(work.trainer, work.policy, work.packed_update)
    same_gradients(mine, found)
    same_gradients(gradients(work.trainer, work.policy, partial(work.padded_update, padded)), found)
    apart = torch.stack([(a - b).norm() for a, b in zip(mine, found, strict=True)]).norm()
    norm = torch.stack([a.norm() for a in mine]).norm()
    return {"log-probs": float((ours - theirs).abs().max()), "gradients": float(apart / norm)}


def compared(kind: Any, work: UpdateWorkload, modules: dict[str, Any], what: str, rounds: int) -> list[Comparison]:
    """The update alone, and all the work after a rollout."""
    padded = work.padded()
    actors = {name: (actor_of(kind, work, module), peer.batch(padded, module, work.policy, TEMPERATURE))
              for name, module in modules.items()}  # fmt: skip
    found = []
    for whole in (False, True):
        if whole:
            actors.pop(PEER_WHOLE, None)
        sides: dict[str, Callable[[], object]] = {OURS: work.packed_update}
        sides[OUR_BASELINE] = partial(work.padded_passes if whole else work.padded_update, padded)
        for name, (actor, data) in actors.items():
            sides[name] = peer.passes(actor, data)["all" if whole else "update"]
        word = "all after the rollout" if whole else "update"
        with contextlib.redirect_stdout(io.StringIO()):
            for side in sides.values():  # once, so that nothing is done for the first time on the clock
                side()
            found.append(interleaved(f"{what}, {word}", sides, rounds))
    return found


def logits_bytes(kind: Any, work: UpdateWorkload, module: Any) -> tuple[int, int]:
    """Most bytes alive in the log-probs and entropy of one slice of 16 chunks: ours, and ``_forward_micro_batch``."""
    padded = work.padded()
    data = peer.batch(padded, module, work.policy, TEMPERATURE)
    part = {name: value[:1, : schedule.SLICE] for name, value in data.batch.items() if name != "finish_step"}
    part["finish_step"] = data.batch["finish_step"][:1]
    actor = actor_of(kind, work, module)
    tokens = padded.tokens[0, : schedule.SLICE]
    inputs = work.policy.collate(padded.rows(0, 0, schedule.SLICE), padded.instructions[:1] * schedule.SLICE)

    def ours() -> tuple[Tensor, Tensor]:
        logits = work.policy(inputs)
        return token_logprobs(logits, tokens, TEMPERATURE), token_entropy(logits, TEMPERATURE)

    with torch.no_grad():
        return peak_bytes(ours), peak_bytes(lambda: actor._forward_micro_batch(part, TEMPERATURE))


def built_in(kind: Any, rounds: int, told: Told) -> None:
    """Row C's policy and trajectories."""
    spec = tabletop(discover(), 1).contract
    for valid in VALID:
        work = learning(nano(discover(), spec), spec, 16, 64, valid)
        module = peer.Nano(work.policy)
        told.agree(f"built-in policy, {valid:.0%} valid", same(kind, work, module))
        told.comparisons += compared(kind, work, {PEER: module}, f"built-in policy, {valid:.0%} valid", rounds)


def openvla_oft(kind: Any, rounds: int, told: Told) -> None:
    """The peer's kind of policy, in little."""
    policy = oft()
    for valid in VALID:
        work = learning(policy, oft_spec(policy), 8, 16, valid)
        narrow, whole = (peer.OpenVlaOft(policy, narrow=one) for one in (True, False))
        for name, module in (("256 logits", narrow), ("whole vocabulary", whole)):
            told.agree(f"tiny OpenVLA-OFT, {name}, {valid:.0%} valid", same(kind, work, module))
        what = f"tiny OpenVLA-OFT, {valid:.0%} valid"
        modules = {PEER: narrow, PEER_WHOLE: whole} if valid == WHOLE_AT else {PEER: narrow}
        told.comparisons += compared(kind, work, modules, what, rounds)
    ours, theirs = logits_bytes(kind, work, whole)
    told.facts["most bytes alive in a forward of 16 chunks without gradients, tiny OpenVLA-OFT"] = (
        f"ours {ours / 1e6:.1f} MB, peer's `_forward_micro_batch` {theirs / 1e6:.1f} MB, {theirs / ours:.0f}x"
    )


@dataclass
class Told:
    """What the record gets, as it is found."""

    comparisons: list[Comparison] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    apart: dict[str, dict[str, float]] = field(default_factory=dict)

    def agree(self, what: str, apart: dict[str, float]) -> None:
        self.apart[what] = apart
        print(what, apart, flush=True)

    def beside_baseline(self) -> str:
        """How true our re-implementation of the peer's schedule is, policy by policy."""
        found: dict[str, tuple[float, ...]] = {}
        for one in self.comparisons:
            policy = one.what.split(",")[0]
            found[policy] = found.get(policy, ()) + one.ratios(PEER, OUR_BASELINE)[0]
        return ", ".join(f"{policy} {ratio_text(values)}" for policy, values in found.items())

    def same(self) -> str:
        most = {name: max(one[name] for one in self.apart.values()) for name in ("log-probs", "gradients")}
        return (
            f"log-probs of `compute_log_prob` with those that our sampling stored, within {most['log-probs']:.1g} "
            f"nats; gradients at `update_policy`'s optimiser step with ours and with our baseline's, within "
            f"{most['gradients']:.1g} of their norm (largest of {len(self.apart)} cases)"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers.simplevla_update")
    parser.add_argument("--checkout", type=Path, help="SimpleVLA-RL's repository; else PEER_SIMPLEVLA_RL")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    load, told = os.getloadavg(), Told()
    checkout = find("PRIME-RL/SimpleVLA-RL", "PEER_SIMPLEVLA_RL", given.checkout, peer.FILES)
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        kind = peer.load(checkout.path)
    built_in(kind, given.rounds, told)
    openvla_oft(kind, given.rounds, told)
    told.facts["the peer's own over our baseline, CPU, median (least to greatest of all rounds)"] = (
        told.beside_baseline()
    )
    record(
        checkout,
        "SimpleVLA-RL: the update",
        drives=("RobDataParallelPPOActor.compute_log_prob", "update_policy", "compute_entropy", "_forward_micro_batch"),
        stubs=peer.STUBS,
        command=f"PEER_SIMPLEVLA_RL=CHECKOUT python -m tests.benchmarks.peers.simplevla_update --rounds {given.rounds}",
        same=[told.same()],
        notes=NOTES,
        comparisons=told.comparisons,
        facts=told.facts,
        load=load,
    )


if __name__ == "__main__":
    run(main)
