"""The schedules of published code do our work: the same episodes, the same gradients, only more of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch

from vla_rl_bench.bench import made_up
from vla_rl_bench.bench.costly import CostlyPolicy
from vla_rl_bench.bench.ends import EndsOptions
from vla_rl_bench.bench.ends import make as make_ends
from vla_rl_bench.bench.fake import CHUNK, FakeOptions
from vla_rl_bench.bench.same import Different, close, gradients, same_gradients, same_trajectories
from vla_rl_bench.bench.schedules import storage
from vla_rl_bench.bench.schedules.waves import WAVE
from vla_rl_bench.bench.setting import Setting
from vla_rl_bench.bench.workloads.rollout import FAKE, continuous, episodes, waves
from vla_rl_bench.bench.workloads.update import learning
from vla_rl_bench.catalog import discover
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.types import Start

CHUNKS = 6


@pytest.fixture
def pool() -> Iterator[Pool]:
    opened = open_pool(FAKE, "fake", FakeOptions(1, CHUNKS * CHUNK), slots=0, workers=0, environments=WAVE)
    with closing(opened):
        yield opened


def test_waves_play_the_same_episodes_and_forward_finished_ones_to_the_limit(pool: Pool) -> None:
    ours, theirs = (Actor(CostlyPolicy(1), 1.6) for _ in range(2))
    todo = episodes(3)
    played = continuous(pool, ours, todo)
    same_trajectories(played, waves(pool, theirs, todo))
    assert (theirs.forwards, theirs.chunks) == (3 * CHUNKS, 3 * CHUNKS * WAVE)
    assert ours.chunks <= sum(len(one.steps) for one in played) < theirs.chunks


def test_a_different_episode_is_noticed(pool: Pool) -> None:
    played = continuous(pool, Actor(CostlyPolicy(1), 1.6), episodes(1))
    changed = [replace(played[0], tokens=played[0].tokens + np.int16(1)), *played[1:]]
    with pytest.raises(Different, match="episode 0: other tokens"):
        same_trajectories(played, changed)
    with pytest.raises(Different, match="7 episodes"):
        same_trajectories(played[:-1], played)


@pytest.mark.parametrize("valid", [0.25, 1.0])
def test_packed_and_padded_updates_have_the_same_gradients(valid: float) -> None:
    work = learning(Setting(discover(), quick=True), valid)
    assert work.valid == pytest.approx(valid, abs=0.02)
    work.check()


def test_a_step_that_counts_for_nothing_would_be_noticed() -> None:
    work = learning(Setting(discover(), quick=True), 0.5)
    batch = work.padded()
    without_mask = replace(batch, mask=torch.ones_like(batch.mask))
    ours = gradients(work.trainer, work.policy, work.packed_update)
    wrong = gradients(work.trainer, work.policy, lambda trainer: work.padded_update(without_mask, trainer))
    with pytest.raises(Different, match="gradients"):
        same_gradients(ours, wrong)


def test_close_says_how_far() -> None:
    close("x", torch.ones(3), torch.ones(3) + 1e-6, 1e-5)
    with pytest.raises(Different, match=r"x: differ by 0\.5"):
        close("x", torch.ones(3), torch.ones(3) + 0.5, 1e-5)
    with pytest.raises(Different, match="differ by nan"):
        close("x", torch.ones(3), torch.full((3,), torch.nan), 1e-5)


@pytest.mark.parametrize("valid", [0.25, 0.5, 0.75, 1.0])
def test_made_up_lengths_have_the_mean_that_was_asked_for(valid: float) -> None:
    found = made_up.lengths(16, 64, valid)
    assert np.mean(found) == pytest.approx(64 * valid, abs=0.1)
    assert min(found) >= 1
    assert max(found) <= 64


def test_the_padded_store_is_what_the_arithmetic_says() -> None:
    """1.2 MB of pixels a chunk, 39.5 GB for 512 trajectories."""
    one = storage.stored(1)
    assert one["pixel_values"].nbytes == 64 * 6 * 224 * 224 * 4
    assert 512 * one["pixel_values"].nbytes == pytest.approx(39.5e9, rel=0.01)


def test_ends_are_drawn_from_the_start_and_the_first_actions() -> None:
    inner = EndsOptions("vla_rl_bench.bench.fake:make", FakeOptions(1, 100 * CHUNK), chunks=4)
    environment = make_ends("fake", inner)
    found = {}
    for index in range(12):
        for again in range(2):
            environment.reset(options={"start": Start(0, index)})
            result, taken = environment.step_chunk(np.zeros((CHUNK, 2), np.float32)), 1
            while not result.done:
                result, taken = environment.step_chunk(np.full((CHUNK, 2), again, np.float32)), taken + 1
            assert found.setdefault(index, (taken, result.success)) == (taken, result.success)
    assert {taken for taken, _ in found.values()} == {1, 2, 3, 4}
    assert all(success == (taken % 2 == 1) for taken, success in found.values())
