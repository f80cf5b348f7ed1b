"""The protocol's name and the splits: what may share a table, and what may not be trained on."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from vla_rl_bench.types import SPLITS as NAMES
from vla_rl_bench_libero.contract import protocol
from vla_rl_bench_libero.options import SPLITS, STEP_LIMITS, SUITES, LiberoOptions


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
    ],
    ids=str,
)
def test_every_option_changes_the_protocol(changed: dict[str, object]) -> None:
    options = LiberoOptions()
    assert protocol("libero_object", replace(options, **changed)) != protocol("libero_object", options)


def test_the_protocol_is_spelled_out() -> None:
    assert protocol("libero_object", LiberoOptions()).startswith("libero-1/limit-280/settle-10/rot180/64px/exact/")
    assert protocol("libero_10", LiberoOptions(rendering="fast")).startswith("libero-fast-render-1/limit-520/")


def test_every_suite_has_a_step_limit() -> None:
    assert set(STEP_LIMITS) == set(SUITES)


@pytest.mark.parametrize(
    "wrong",
    [{"image_size": 8}, {"step_limit": 0}, {"expert_noise": -0.1}, {"driver": "reference", "rendering": "fast"}],
    ids=str,
)
def test_options_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"image_size|step_limit|expert_noise|reference"):
        LiberoOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.sim
def test_the_contract_needs_no_simulator() -> None:
    from vla_rl_bench_libero.contract import contract

    counts = {suite: len(contract(suite, LiberoOptions(), "egl").tasks) for suite in SUITES}
    assert counts == {
        "libero_spatial": 10,
        "libero_object": 10,
        "libero_goal": 10,
        "libero_10": 10,
        "libero_90": 90,
    }
    spec = contract("libero_goal", LiberoOptions(), "egl")
    assert spec.versions["libero"] not in ("", "missing")
    assert spec.versions["mujoco"] in spec.protocol
