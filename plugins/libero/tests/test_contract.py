"""Tests of the protocol's name and the splits."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from vla_rl_bench.types import SPLITS as NAMES
from vla_rl_bench_libero.contract import protocol
from vla_rl_bench_libero.options import OFFICIAL_SUITES, SPLITS, STEP_LIMITS, SUITES, LiberoOptions, official_suite


def test_splits_are_disjoint_and_cover_official_init_states() -> None:
    assert set(SPLITS) == set(NAMES)
    starts = {name: set(range(*start_range)) for name, start_range in SPLITS.items()}
    assert all(not starts[a] & starts[b] for a, b in combinations(starts, 2))
    assert set.union(*starts.values()) == set(range(50))


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
def test_protocol_names_every_option_except_simulators(changed: dict[str, Any]) -> None:
    options = LiberoOptions()
    assert protocol("libero_object", replace(options, simulators=3)) == protocol("libero_object", options)
    assert protocol("libero_object", replace(options, **changed)) != protocol("libero_object", options)


def test_protocol_of_paper_and_released_code_differ_and_allow_512_steps() -> None:
    paper, code = (LiberoOptions(protocol="paper"), LiberoOptions(protocol="simplevla-rl-code"))
    assert {options.limit(suite) for options in (paper, code) for suite in OFFICIAL_SUITES} == {512}
    names = [protocol("libero_10", options) for options in (paper, code, LiberoOptions(step_limit=512))]
    assert len(set(names)) == 3
    assert names[0].endswith("/paper") and names[1].endswith("/simplevla-rl-code")


def test_options_reject_step_limit_with_named_protocol() -> None:
    with pytest.raises(ValueError, match="remove one of the two"):
        LiberoOptions(protocol="paper", step_limit=160)


def test_protocol_begins_with_version_and_settings() -> None:
    assert protocol("libero_object", LiberoOptions()).startswith("libero-1/limit-280/settle-10/rot180/64px/exact/")
    assert protocol("libero_10", LiberoOptions(rendering="fast")).startswith("libero-fast-render-1/limit-520/")


def test_step_limits_cover_every_suite() -> None:
    assert set(STEP_LIMITS) == set(OFFICIAL_SUITES)
    assert all(LiberoOptions().limit(suite) == STEP_LIMITS[official_suite(suite)] for suite in SUITES)


@pytest.mark.parametrize(
    "invalid",
    [
        {"image_size": 8},
        {"step_limit": 0},
        {"expert_noise": -0.1},
        {"driver": "reference", "rendering": "fast"},
        {"simulators": 0},
    ],
    ids=str,
)
def test_options_reject_invalid_values(invalid: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"image_size|step_limit|expert_noise|reference|simulators"):
        LiberoOptions(**invalid)  # type: ignore[arg-type]


@pytest.mark.sim
def test_contract_lists_tasks_without_simulator() -> None:
    from vla_rl_bench_libero.contract import contract

    counts = {suite: len(contract(suite, LiberoOptions(), "egl").tasks) for suite in SUITES}
    assert counts == {suite: 90 if suite == "libero_90" else 10 for suite in SUITES}
    spec = contract("libero_goal", LiberoOptions(), "egl")
    assert spec.versions["libero"] not in ("", "missing")
    assert spec.versions["mujoco"] in spec.protocol
