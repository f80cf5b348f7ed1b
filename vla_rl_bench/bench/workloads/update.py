"""C: the update at three shares of valid chunks.  D: all the work after a rollout, half of the chunks valid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vla_rl_bench.bench import made_up
from vla_rl_bench.bench.learning import TEMPERATURE, Learning
from vla_rl_bench.bench.rows import Pair, Row
from vla_rl_bench.bench.setting import Setting, nano, tabletop, trainer
from vla_rl_bench.rollout.actor import Actor

CHUNKS = 64  # of an episode that never ends: SimpleVLA-RL's 512 steps in chunks of 8
NOTE_C = "slices of 16 against micro-batches of our choice; old log-probs stored on both sides"
NOTE_D = "acceptance 1, where the baseline's passes waste least: it makes the first before groups are filtered"


def rows(setting: Setting) -> Iterator[Row]:
    """C."""
    for valid in (0.25, 0.5, 1.0):
        work = learning(setting, valid)
        work.check()
        baseline = partial(work.padded_update, work.padded())
        pair = Pair("C", f"update, {valid:.0%} valid", work.packed_update, baseline, 0.9 / valid, note=NOTE_C)
        yield setting.measured(pair, rounds=9)


def after_rollout(setting: Setting) -> Iterator[Row]:
    """D."""
    work = learning(setting, 0.5)
    work.check()
    baseline = partial(work.padded_passes, work.padded())
    yield setting.measured(
        Pair("D", "after the rollout, 50% valid", work.packed_update, baseline, 3.0, note=NOTE_D), rounds=9
    )


def learning(setting: Setting, valid: float) -> Learning:
    """A mini-batch of the built-in policy on the built-in environment's images."""
    spec = tabletop(setting.catalog, 1).contract
    policy = nano(setting.catalog, spec)
    trained = trainer(setting.catalog, policy)
    sizes = made_up.lengths(setting.pick(16, 8), setting.pick(CHUNKS, 16), valid)
    with trained.acting() as acting:
        groups = made_up.groups(spec, Actor(acting, TEMPERATURE), sizes)
    instructions = [task.instruction for task in spec.tasks]
    return Learning(policy, trained, groups, instructions, setting.pick(CHUNKS, 16), len(sizes))
