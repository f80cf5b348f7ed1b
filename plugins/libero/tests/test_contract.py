"""The protocol's name and the splits: what may share a table, and what may not be trained on."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from vla_rl_bench.types import SPLITS as NAMES
from vla_rl_bench_libero.contract import protocol
from vla_rl_bench_libero.options import OFFICIAL_SUITES, SPLITS, STEP_LIMITS, SUITES, LiberoOptions, official_suite


def test_the_splits_are_disjoint_and_cover_the_official_init_states() -> None:
    assert set(SPLITS) == set(NAMES)
    taken = {name: set(range(*bounds)) for name, bounds in SPLITS.items()}
    assert all(not taken[a] & taken[b] for a, b in combinations(taken, 2))
    assert set.union(*taken.values()) == set(range(50))


@pytest.mark.parametrize(
    "changed",
    [
        {"rendering": "fast"},
        {"driver": "reference"},
        {"image_size": 128},
        {"step_limit": 512},
        {"expert_noise": 0.0},
        {"sampled_starts": True},
        {"protocol": "paper"},
        {"protocol": "simplevla-rl-code"},
    ],
    ids=str,
)
def test_every_option_but_one_changes_the_protocol(changed: dict[str, Any]) -> None:
    """Not how many simulators are kept."""
    options = LiberoOptions()
    assert protocol("libero_object", replace(options, simulators=3)) == protocol("libero_object", options)
    assert protocol("libero_object", replace(options, **changed)) != protocol("libero_object", options)


def test_the_paper_and_the_released_code_allow_512_steps_and_never_share_a_protocol() -> None:
    paper, code = (LiberoOptions(protocol="paper"), LiberoOptions(protocol="simplevla-rl-code"))
    assert {options.limit(suite) for options in (paper, code) for suite in OFFICIAL_SUITES} == {512}
    names = [protocol("libero_10", options) for options in (paper, code, LiberoOptions(step_limit=512))]
    assert len(set(names)) == 3
    assert names[0].endswith("/paper") and names[1].endswith("/simplevla-rl-code")


def test_a_named_protocol_leaves_no_choice_of_the_limit() -> None:
    with pytest.raises(ValueError, match="leave one of the two out"):
        LiberoOptions(protocol="paper", step_limit=160)


def test_the_protocol_is_spelled_out() -> None:
    assert protocol("libero_object", LiberoOptions()).startswith("libero-1/limit-280/settle-10/rot180/64px/exact/")
    assert protocol("libero_10", LiberoOptions(rendering="fast")).startswith("libero-fast-render-1/limit-520/")


def test_every_suite_has_a_step_limit() -> None:
    assert set(STEP_LIMITS) == set(OFFICIAL_SUITES)
    assert all(LiberoOptions().limit(suite) == STEP_LIMITS[official_suite(suite)] for suite in SUITES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_size": 8},
        {"step_limit": 0},
        {"expert_noise": -0.1},
        {"driver": "reference", "rendering": "fast"},
        {"simulators": 0},
    ],
    ids=str,
)
def test_options_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"image_size|step_limit|expert_noise|reference|simulators"):
        LiberoOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.sim
def test_the_contract_needs_no_simulator() -> None:
    from vla_rl_bench_libero.contract import contract

    counts = {suite: len(contract(suite, LiberoOptions(), "egl").tasks) for suite in SUITES}
    assert counts == {suite: 90 if suite == "libero_90" else 10 for suite in SUITES}
    spec = contract("libero_goal", LiberoOptions(), "egl")
    assert spec.versions["libero"] not in ("", "missing")
    assert spec.versions["mujoco"] in spec.protocol
