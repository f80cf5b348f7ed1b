"""Windows, the schedule, and that a resumed fine-tuning is the uninterrupted one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.config.schema import SftConfig
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.sft import Windows, chunk_labels, fine_tune, learning_rate
from vla_rl_bench.errors import UserError
from vla_rl_bench.rollout.pool import InProcessPool

pytestmark = pytest.mark.numeric

CONFIG = SftConfig(steps=6, batch_size=16, learning_rate=1e-3, warmup=2, checkpoint_every=2, proprio_noise=0.01)


@pytest.fixture
def pool() -> InProcessPool:
    torch.set_num_threads(1)
    return InProcessPool(make_tabletop("object", TabletopOptions(), 4))


def test_chunk_labels_hold_the_next_actions_then_noop() -> None:
    actions = np.arange(6, dtype=np.float32).reshape(3, 2)
    labels = chunk_labels(actions, np.array([-1, -2], np.float32), 2)
    assert labels.tolist() == [[[0, 1], [2, 3]], [[2, 3], [4, 5]], [[4, 5], [-1, -2]]]


def test_learning_rate_warms_up_and_decays_to_five_percent() -> None:
    config = SftConfig(steps=100, batch_size=1, learning_rate=2.0, warmup=10)
    assert learning_rate(0, config) == pytest.approx(0.2)
    assert learning_rate(50, config) == pytest.approx(1.0)
    assert learning_rate(99, config) == pytest.approx(0.1)


def test_windows_imitate_the_expert(pool: InProcessPool) -> None:
    shown = demonstrations.collect(pool, (0, 100), [0, 2], 2, 0)
    policy = make_policy(pool.contract, NanoOptions(), 0)
    windows = Windows(shown, pool.contract, policy)
    assert len(windows) == sum(len(one.actions) for one in shown)
    first = action_tokens.decode(windows.tokens[0]).reshape(policy.chunk, policy.action_dim)
    np.testing.assert_allclose(policy.unnormalize(first), shown[0].actions[: policy.chunk], atol=1 / 255 + 1e-6)
    assert windows.instructions[-1] == pool.contract.tasks[2].instruction


def test_demonstrations_survive_the_disk(pool: InProcessPool, tmp_path: Path) -> None:
    shown = demonstrations.collect(pool, (0, 100), [1], 2, 7)
    demonstrations.save(tmp_path / "d.npz", shown)
    back = demonstrations.load(tmp_path / "d.npz")
    for one, other in zip(shown, back, strict=True):
        assert one.start == other.start
        assert np.array_equal(one.actions, other.actions)
        assert np.array_equal(one.observations.images["top"], other.observations.images["top"])


def test_too_few_demonstration_starts_is_a_clear_error(pool: InProcessPool) -> None:
    with pytest.raises(UserError, match=r"expert solved . of the 2"):
        demonstrations.collect(pool, (0, 2), [0], 3, 0)


def test_a_resumed_fine_tuning_is_the_uninterrupted_one(pool: InProcessPool, tmp_path: Path) -> None:
    shown = demonstrations.collect(pool, (0, 100), [0], 1, 0)

    def train(path: Path, stop_after: int | None) -> dict[str, torch.Tensor]:
        policy = make_policy(pool.contract, NanoOptions(), 0)
        windows = Windows(shown, pool.contract, policy)

        def progress(done: int, total: int) -> None:
            if done == stop_after:
                raise KeyboardInterrupt

        trainer = Single(SingleOptions()).prepare(policy, weight_decay=CONFIG.weight_decay)
        fine_tune(trainer, windows, CONFIG, 0, SingleProcess(), path, progress)
        return policy.state_dict()

    whole = train(tmp_path / "a.pt", None)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b.pt", 5)
    resumed = train(tmp_path / "b.pt", None)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
