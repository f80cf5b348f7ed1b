"""Sampled starts: follow from suite, task and index alone, and begin with things at rest and the goal unmet."""

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


def test_the_option_moves_the_splits_and_leaves_them_apart() -> None:
    assert LiberoOptions().splits == SPLITS
    ranges = sorted(LiberoOptions(sampled_starts=True).splits.values())
    assert ranges[0][0] == OFFICIAL_STARTS
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(ranges))


def test_the_reference_driver_has_none() -> None:
    with pytest.raises(ValueError, match="plays official starts only"):
        LiberoOptions(driver="reference", sampled_starts=True)


@pytest.fixture(scope="module")
def environment() -> Iterator[Any]:
    from vla_rl_bench_libero.environment import make

    found = make("libero_object", LiberoOptions(rendering="fast", sampled_starts=True))
    yield found
    found.close()


def state(environment: Any, index: int) -> np.ndarray:
    environment.reset(options={"start": Start(TASK, index)})
    data = environment.active.instance.sim.data
    return np.concatenate([data.qpos, data.qvel])


@pytest.mark.sim
@pytest.mark.slow
def test_a_start_is_the_same_whatever_came_before_and_in_another_process(environment: Any) -> None:
    first = state(environment, FIRST + 1)
    other = state(environment, FIRST)
    assert np.array_equal(state(environment, FIRST + 1), first)
    assert np.abs(other - first).max() > 0.005
    code = (
        "from plugins.libero.tests.test_starts import *\n"
        "from vla_rl_bench_libero.environment import make\n"
        "found = make('libero_object', LiberoOptions(rendering='fast', sampled_starts=True))\n"
        "print(state(found, FIRST + 1).tobytes().hex()[-4000:], flush=True)\n"
        "import os; os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == first.tobytes().hex()[-4000:]


@pytest.mark.sim
@pytest.mark.slow
def test_things_lie_still_apart_and_elsewhere_and_the_goal_does_not_hold(environment: Any) -> None:
    from vla_rl_bench_libero.starts import fault

    simulator = environment.simulator(TASK)
    starts = [simulator.starts[index] for index in range(FIRST, FIRST + 4)]
    assert [fault(simulator, one) for one in starts] == [""] * 4
    official = np.array([simulator.starts[index] for index in range(OFFICIAL_STARTS)])
    for one in starts:  # no official start again; the arm and the objects have moved by millimetres at least
        assert np.abs(official[:, 1:] - one[1:]).max(1).min() > 0.002


@pytest.mark.sim
@pytest.mark.slow
def test_where_official_starts_hold_things_in_the_air_sampled_ones_may_too() -> None:
    """libero_spatial: everything drops by 7 cm while it settles."""
    from vla_rl_bench_libero.environment import make
    from vla_rl_bench_libero.starts import fault, sinks

    environment = make("libero_spatial", LiberoOptions(rendering="fast", sampled_starts=True))
    try:
        simulator = environment.simulator(0)
        official = simulator.starts[0]
        expected = sinks(simulator, official)
        assert min(expected.values()) > 0.05
        assert fault(simulator, official).endswith("falls")
        assert fault(simulator, official, expected) == ""
        assert fault(simulator, simulator.starts[FIRST], expected) == ""
    finally:
        environment.close()


@pytest.mark.sim
@pytest.mark.slow
def test_what_belongs_on_furniture_is_put_there() -> None:
    """libero_spatial 3: the second bowl stands on the cabinet, 23 cm above the table."""
    from vla_rl_bench_libero.environment import make
    from vla_rl_bench_libero.starts import draw

    environment = make("libero_spatial", LiberoOptions(rendering="fast", sampled_starts=True))
    try:
        simulator = environment.simulator(3)
        instance = simulator.instance
        official, body = simulator.starts[0], instance.obj_body_id["akita_black_bowl_2"]
        fixtures = instance.sim.model.body_pos.copy()
        places = []
        for start in (official, draw(simulator, official, 0), draw(simulator, official, 1)):
            assert start is not None
            simulator.place(start)
            places.append(np.array(instance.sim.data.body_xpos[body]))
        assert np.array_equal(instance.sim.model.body_pos, fixtures)
        assert [round(float(place[2]), 3) for place in places] == [round(float(places[0][2]), 3)] * 3
        assert 0.002 < max(np.abs(place - places[0]).max() for place in places[1:]) < 0.06
    finally:
        environment.close()


@pytest.mark.sim
@pytest.mark.slow
def test_what_is_wrong_with_a_start_is_found(environment: Any) -> None:
    """An object in the air falls, two in one place overlap, the wanted one in the basket meets the goal."""
    from vla_rl_bench_libero.starts import fault

    simulator = environment.simulator(TASK)
    instance = simulator.instance
    good = simulator.starts[FIRST]

    def moved(name: str, to: np.ndarray) -> np.ndarray:
        changed = good.copy()
        address = instance.sim.model.get_joint_qpos_addr(instance.get_object(name).joints[-1])[0]
        changed[1 + address : 1 + address + 3] = to
        return changed

    _, wanted, basket = instance.parsed_problem["goal_state"][0]
    other = next(name for name in instance.objects_dict if name not in (wanted, "basket_1"))
    simulator.place(good)
    there = {name: np.array(instance.sim.data.body_xpos[instance.obj_body_id[name]]) for name in (wanted, other)}
    inside = np.array(instance.sim.data.get_site_xpos(basket))
    assert fault(simulator, moved(other, there[other] + [0, 0, 0.2]))
    assert fault(simulator, moved(other, there[wanted]))
    assert fault(simulator, moved(wanted, inside)) == "the goal holds already"


@pytest.mark.sim
def test_without_the_option_there_are_fifty(fast: Any) -> None:
    with pytest.raises(UserError, match=r"start 50: there are 50 .* environment.sampled_starts: true"):
        fast.reset(options={"start": Start(TASK, 50)})


@pytest.mark.sim
def test_the_protocol_says_so() -> None:
    from vla_rl_bench_libero.contract import protocol

    assert protocol("libero_goal", LiberoOptions(sampled_starts=True)).endswith("/sampled-starts-2")
    assert "sampled" not in protocol("libero_goal", LiberoOptions())
