"""Tests of sampled starts: determined by suite, task and index; objects at rest and the goal not met."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench.types import Start
from vla_rl_bench_libero.options import OFFICIAL_STARTS, SPLITS, LiberoOptions

TASK, FIRST = 3, OFFICIAL_STARTS


def test_sampled_starts_have_disjoint_splits() -> None:
    assert LiberoOptions().splits == SPLITS
    ranges = sorted(LiberoOptions(sampled_starts=True).splits.values())
    assert ranges[0][0] == OFFICIAL_STARTS
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(ranges))


def test_reference_driver_rejects_sampled_starts() -> None:
    with pytest.raises(ValueError, match="supports official starts only"):
        LiberoOptions(driver="reference", sampled_starts=True)


@pytest.fixture(scope="module")
def environment() -> Iterator[Any]:
    from vla_rl_bench_libero.environment import make

    libero = make("libero_object", LiberoOptions(rendering="fast", sampled_starts=True))
    yield libero
    libero.close()


def state(environment: Any, index: int) -> np.ndarray:
    environment.reset(options={"start": Start(TASK, index)})
    data = environment.active.instance.sim.data
    return np.concatenate([data.qpos, data.qvel])


@pytest.mark.sim
@pytest.mark.slow
def test_start_is_independent_of_history_and_process(environment: Any) -> None:
    first = state(environment, FIRST + 1)
    different_start = state(environment, FIRST)
    assert np.array_equal(state(environment, FIRST + 1), first)
    assert np.abs(different_start - first).max() > 0.005
    code = (
        "from plugins.libero.tests.test_starts import *\n"
        "from vla_rl_bench_libero.environment import make\n"
        "environment = make('libero_object', LiberoOptions(rendering='fast', sampled_starts=True))\n"
        "print(state(environment, FIRST + 1).tobytes().hex()[-4000:], flush=True)\n"
        "import os; os._exit(0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert process.stdout.strip() == first.tobytes().hex()[-4000:]


@pytest.mark.sim
@pytest.mark.slow
def test_sampled_starts_are_valid_and_differ_from_official_ones(environment: Any) -> None:
    from vla_rl_bench_libero.starts import find_fault

    simulator = environment.simulator(TASK)
    starts = [simulator.starts[index] for index in range(FIRST, FIRST + 4)]
    assert [find_fault(simulator, start) for start in starts] == [""] * 4
    official = np.array([simulator.starts[index] for index in range(OFFICIAL_STARTS)])
    for start in starts:  # the arm and the objects moved by at least two millimeters
        assert np.abs(official[:, 1:] - start[1:]).max(1).min() > 0.002


@pytest.mark.sim
@pytest.mark.slow
def test_find_fault_allows_drops_of_official_starts() -> None:
    """libero_spatial: everything drops by 7 cm while it settles."""
    from vla_rl_bench_libero.environment import make
    from vla_rl_bench_libero.starts import find_fault, settling_drops

    environment = make("libero_spatial", LiberoOptions(rendering="fast", sampled_starts=True))
    try:
        simulator = environment.simulator(0)
        official = simulator.starts[0]
        expected = settling_drops(simulator, official)
        assert min(expected.values()) > 0.05
        assert find_fault(simulator, official).endswith("falls")
        assert find_fault(simulator, official, expected) == ""
        assert find_fault(simulator, simulator.starts[FIRST], expected) == ""
    finally:
        environment.close()


@pytest.mark.sim
@pytest.mark.slow
def test_sample_state_puts_objects_on_fixtures() -> None:
    """libero_spatial 3: the second bowl stands on the cabinet, 23 cm above the table."""
    from vla_rl_bench_libero.environment import make
    from vla_rl_bench_libero.starts import sample_state

    environment = make("libero_spatial", LiberoOptions(rendering="fast", sampled_starts=True))
    try:
        simulator = environment.simulator(3)
        instance = simulator.instance
        official, body = simulator.starts[0], instance.obj_body_id["akita_black_bowl_2"]
        fixtures = instance.sim.model.body_pos.copy()
        positions = []
        for start in (official, sample_state(simulator, official, 0), sample_state(simulator, official, 1)):
            assert start is not None
            simulator.set_state(start)
            positions.append(np.array(instance.sim.data.body_xpos[body]))
        assert np.array_equal(instance.sim.model.body_pos, fixtures)
        assert [round(float(position[2]), 3) for position in positions] == [round(float(positions[0][2]), 3)] * 3
        assert 0.002 < max(np.abs(position - positions[0]).max() for position in positions[1:]) < 0.06
    finally:
        environment.close()


@pytest.mark.sim
@pytest.mark.slow
def test_find_fault_reports_falls_overlaps_and_met_goals(environment: Any) -> None:
    """Move an object into the air, into another object, and into the basket."""
    from vla_rl_bench_libero.starts import find_fault

    simulator = environment.simulator(TASK)
    instance = simulator.instance
    valid = simulator.starts[FIRST]

    def moved(name: str, position: np.ndarray) -> np.ndarray:
        changed = valid.copy()
        address = instance.sim.model.get_joint_qpos_addr(instance.get_object(name).joints[-1])[0]
        changed[1 + address : 1 + address + 3] = position
        return changed

    _, target, basket = instance.parsed_problem["goal_state"][0]
    obstacle = next(name for name in instance.objects_dict if name not in (target, "basket_1"))
    simulator.set_state(valid)
    positions = {name: np.array(instance.sim.data.body_xpos[instance.obj_body_id[name]]) for name in (target, obstacle)}
    inside = np.array(instance.sim.data.get_site_xpos(basket))
    assert find_fault(simulator, moved(obstacle, positions[obstacle] + [0, 0, 0.2]))
    assert find_fault(simulator, moved(obstacle, positions[target]))
    assert find_fault(simulator, moved(target, inside)) == "the goal holds already"


@pytest.mark.sim
def test_reset_rejects_sampled_start_without_option(fast: Any) -> None:
    with pytest.raises(UserError, match=r"start 50: there are 50 .* environment.sampled_starts: true"):
        fast.reset(options={"start": Start(TASK, 50)})


@pytest.mark.sim
def test_protocol_names_sampled_starts() -> None:
    from vla_rl_bench_libero.contract import protocol

    assert protocol("libero_goal", LiberoOptions(sampled_starts=True)).endswith("/sampled-starts-2")
    assert "sampled" not in protocol("libero_goal", LiberoOptions())
