"""Both sides of the benchmarks do the same work, checks notice a difference, and ratios are counted right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.benchmarks.published_schedules import storage
from tests.benchmarks.published_schedules.waves import WAVE
from tests.benchmarks.support import random_length_env, synthetic_trajectories
from tests.benchmarks.support.constant_cost_env import CHUNK, CONSTANT_COST, ConstantCostOptions
from tests.benchmarks.support.constant_cost_policy import ConstantCostPolicy
from tests.benchmarks.support.equivalence import Different, close, gradients, same_gradients, same_trajectories
from tests.benchmarks.support.pairs import Pair, measure, ratio_text
from tests.benchmarks.support.peak_memory import peak_bytes
from tests.benchmarks.support.random_length_env import RandomLengthOptions
from tests.benchmarks.support.settings import Settings
from tests.benchmarks.support.update_workload import synthetic_workload
from tests.benchmarks.workloads.rollout import continuous, episodes, waves
from vla_rl_bench.catalog import discover
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import Pool, open_pool
from vla_rl_bench.types import Start

pytestmark = pytest.mark.numeric

CHUNKS = 6


@pytest.fixture
def pool() -> Iterator[Pool]:
    options = ConstantCostOptions(1, CHUNKS * CHUNK)
    with closing(open_pool(CONSTANT_COST, "constant-cost", options, slots=0, workers=0, environments=WAVE)) as opened:
        yield opened


@pytest.fixture
def quick() -> Settings:
    return Settings(discover(), quick=True)


def test_waves_same_episodes_with_finished_ones_forwarded_to_the_limit(pool: Pool) -> None:
    our_actor, wave_actor = (Actor(ConstantCostPolicy(1), 1.6) for _ in range(2))
    queue = episodes(3)
    trajectories = continuous(pool, our_actor, queue)
    same_trajectories(trajectories, waves(pool, wave_actor, queue))
    assert (wave_actor.forwards, wave_actor.chunks) == (3 * CHUNKS, 3 * CHUNKS * WAVE)
    assert our_actor.chunks <= sum(len(trajectory.steps) for trajectory in trajectories) < wave_actor.chunks


def test_same_trajectories_raises_on_another_token_and_a_missing_episode(pool: Pool) -> None:
    trajectories = continuous(pool, Actor(ConstantCostPolicy(1), 1.6), episodes(1))
    changed = [replace(trajectories[0], tokens=trajectories[0].tokens + np.int16(1)), *trajectories[1:]]
    with pytest.raises(Different, match="episode 0: tokens differ"):
        same_trajectories(trajectories, changed)
    with pytest.raises(Different, match="7 episodes"):
        same_trajectories(trajectories[:-1], trajectories)


@pytest.mark.parametrize("valid", [0.25, 1.0])
def test_packed_and_padded_updates_have_the_same_gradients(valid: float, quick: Settings) -> None:
    work = synthetic_workload(quick, valid)
    assert work.valid == pytest.approx(valid, abs=0.02)
    work.check()


def test_same_gradients_raises_if_masked_steps_count(quick: Settings) -> None:
    work = synthetic_workload(quick, 0.5)
    batch = work.padded()
    without_mask = replace(batch, mask=torch.ones_like(batch.mask))
    ours = gradients(work.trainer, work.policy, work.packed_update)
    wrong = gradients(work.trainer, work.policy, lambda trainer: work.padded_update(without_mask, trainer))
    with pytest.raises(Different, match="gradients"):
        same_gradients(ours, wrong)


def test_close_states_the_difference() -> None:
    close("x", torch.ones(3), torch.ones(3) + 1e-6, 1e-5)
    with pytest.raises(Different, match=r"x: differ by 0\.5"):
        close("x", torch.ones(3), torch.ones(3) + 0.5, 1e-5)
    with pytest.raises(Different, match="differ by nan"):
        close("x", torch.ones(3), torch.full((3,), torch.nan), 1e-5)


@pytest.mark.parametrize("valid", [0.25, 0.5, 0.75, 1.0])
def test_lengths_have_the_requested_mean(valid: float) -> None:
    lengths = synthetic_trajectories.lengths(16, 64, valid)
    assert np.mean(lengths) == pytest.approx(64 * valid, abs=0.1)
    assert min(lengths) >= 1
    assert max(lengths) <= 64


def test_stored_pixels_take_39_gb_for_512_trajectories() -> None:
    """1.2 MB of pixels for each chunk."""
    pixels = storage.stored(1)["pixel_values"].nbytes
    assert pixels == 64 * 6 * 224 * 224 * 4
    assert 512 * pixels == pytest.approx(39.5e9, rel=0.01)


def test_random_length_depends_on_start_and_first_actions_only() -> None:
    options = RandomLengthOptions(CONSTANT_COST.make, ConstantCostOptions(1, 100 * CHUNK), chunks=4)
    environment = random_length_env.make("constant-cost", options)
    outcomes: dict[int, tuple[int, bool]] = {}
    for index in range(12):
        for repeat in range(2):
            environment.reset(options={"start": Start(0, index)})
            result, taken = environment.step_chunk(np.zeros((CHUNK, 2), np.float32)), 1
            while not result.done:
                result, taken = environment.step_chunk(np.full((CHUNK, 2), repeat, np.float32)), taken + 1
            assert outcomes.setdefault(index, (taken, result.success)) == (taken, result.success)
    assert {taken for taken, _ in outcomes.values()} == {1, 2, 3, 4}
    assert all(success == (taken % 2 == 1) for taken, success in outcomes.values())


def test_environments_import_no_torch() -> None:
    """A worker needs the standard library, NumPy and its plugin."""
    code = f"import sys, {random_length_env.__name__}; sys.exit(bool({{'torch', 'pandas'}} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_pair_alternates_and_records_every_round(benchmark: Any) -> None:
    """In the ordinary test run pytest-benchmark is off and makes one round of any number."""
    calls: list[str] = []
    Pair(lambda: calls.append("ours"), lambda: calls.append("baseline")).run(benchmark, rounds=2)
    rounds = 1 if benchmark.disabled else 2
    assert calls == ["baseline", "ours"] * rounds
    recorded = [values for values in benchmark.extra_info.values() if isinstance(values, list)]
    assert [len(values) for values in recorded] == [rounds] * 4


def test_ratio_text_is_median_and_range() -> None:
    assert ratio_text([4.0, 2.5, 3.5]) == "3.50x (2.50 to 4.00)"
    assert ratio_text([12.34]) == "12.3x"
    assert ratio_text((298.4,)) == "298x"


def test_measure_counts_cpu_seconds_of_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    assert measure(lambda: subprocess.run([sys.executable, "-c", burn], check=True)).cpu >= 0.3


def test_peak_bytes_counts_tensors_alive_together() -> None:
    argument = torch.zeros(1000)
    with torch.inference_mode():
        assert peak_bytes(lambda: argument.view(10, 100)) == 0
        assert peak_bytes(lambda: argument + 1) == 4000
        assert peak_bytes(lambda: (argument + 1).view(10, 100) + 1) == 8000
        assert peak_bytes(lambda: (argument + 1).sum()) == 4004
        assert peak_bytes(lambda: ((argument + 1).sum(), (argument + 1).sum())) == 4008
