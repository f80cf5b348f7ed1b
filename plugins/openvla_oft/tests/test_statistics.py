"""Numbers between a checkpoint and an environment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from plugins.openvla_oft.tests import around, tiny
from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft import gripper, statistics
from vla_rl_bench_openvla_oft.codec import Codec, codec
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions
from vla_rl_bench_openvla_oft.spaces import LIBERO, PLAIN, ROBOTWIN
from vla_rl_bench_openvla_oft.statistics import Bounds, Proprio, choose_key

FOUND = {"libero_10_no_noops": {}, "libero_goal": {}, "lift_pot_1k": {}}
GRIPPER = np.array([-1.0, 1.0])


def fixture_bounds() -> Bounds:
    entry = statistics.read(tiny.FOLDER, None)["libero_10_no_noops"]
    return statistics.bounds(entry, "libero_10_no_noops", "action", LIBERO)


def test_greedy_tokens_become_the_references_actions() -> None:
    stored = load_file(tiny.FOLDER / "io.safetensors")
    for mode in ("bidirectional", "causal"):
        actions = stored[f"n1.{mode}.greedy_actions"]
        tokens = stored[f"n1.{mode}.greedy_tokens"] - 31744  # vocabulary ids
        values = action_tokens.decode(tokens).reshape(actions.shape)
        assert np.abs(fixture_bounds().unnormalize(values) - actions).max() < 1e-6


def test_normalize_is_the_inverse() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (5, 8, 7))
    bounds = fixture_bounds()
    assert np.abs(bounds.normalize(bounds.unnormalize(values)) - values).max() < 1e-12


def test_a_dimension_outside_the_mask_stays() -> None:
    assert fixture_bounds().unnormalize(np.full(7, 0.25))[6] == 0.25


def test_a_dimension_that_never_moved_stays_there() -> None:
    still = Bounds((0.5,), (0.5,), (True,), 0.0)
    assert still.unnormalize(np.array([0.7])) == 0.5
    assert np.isfinite(still.normalize(np.array([0.5]))).all()


def test_base_openvla_adds_no_epsilon() -> None:
    exact, oft = (Bounds((0.0,), (1.0,), (True,), epsilon) for epsilon in (0.0, statistics.EPSILON))
    top = np.array([1.0])
    assert exact.unnormalize(top) == 1.0
    assert oft.unnormalize(top) == 1.0 + 1e-8


def test_a_missing_mask_is_all_true() -> None:
    entry = {"action": {"min": [0, 0], "max": [1, 2], "q01": [0, 0], "q99": [1, 1]}}
    assert statistics.bounds(entry, "k", "action", LIBERO).mask == (True, True)
    assert statistics.bounds(entry, "k", "action", ROBOTWIN).high == (1.0, 2.0)
    with pytest.raises(UserError, match=r"`k` lacks proprio.q01"):
        statistics.bounds(entry, "k", "proprio", LIBERO)


@pytest.mark.parametrize(
    ("wanted", "suite", "key"),
    [
        (None, "libero_goal", "libero_goal"),
        (None, "libero_10", "libero_10_no_noops"),
        (None, "robotwin2_lift_pot", "lift_pot_1k"),
        (None, "lift_pot", "lift_pot_1k"),
        ("libero_goal", "libero_10", "libero_goal"),
    ],
)
def test_the_key_of_a_column(wanted: str | None, suite: str, key: str) -> None:
    assert choose_key(FOUND, wanted, suite) == key


def test_an_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(
        UserError, match=r"no statistics `libero_gaol`. Did you mean `libero_goal`\? Known: .*lift_pot_1k"
    ):
        choose_key(FOUND, "libero_gaol", "libero_10")
    with pytest.raises(
        UserError, match=r"no statistics `bridge`.* Known: libero_10_no_noops, libero_goal, lift_pot_1k"
    ):
        choose_key(FOUND, None, "bridge")
    with pytest.raises(UserError, match="no statistics `libero_goal_no_noop`"):
        choose_key(FOUND, "libero_goal_no_noop", "libero_10")  # what is asked for is never replaced
    with pytest.raises(UserError, match="Known: none"):
        choose_key({}, None, "libero_10")


def test_dataset_statistics_replace_those_of_the_config(tmp_path: Path) -> None:
    assert statistics.read(tmp_path, {"old": 1}) == {"old": 1}
    (tmp_path / "dataset_statistics.json").write_text(json.dumps({"new": 2}))
    assert statistics.read(tmp_path, {"old": 1}) == {"new": 2}
    (tmp_path / "dataset_statistics.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        statistics.read(tmp_path, None)


def test_a_wrong_action_dimension_says_both_numbers() -> None:
    found = {"libero_10": {"action": {"q01": [0.0] * 6, "q99": [1.0] * 6}}}
    with pytest.raises(UserError, match="6-dimensional actions, environment `libero` has 7"):
        statistics.action_bounds(found, None, LIBERO, around.libero())


def test_the_gripper_of_libero() -> None:
    """Checkpoint: 1 opens, 0 closes.  Simulator: -1 opens, +1 closes."""
    actions = np.zeros((4, 7))
    actions[:, 6] = (0.0, 1.0, 0.2, 0.9)
    assert gripper.to_environment(actions, LIBERO)[:, 6].tolist() == [1, -1, 1, -1]
    assert gripper.to_environment(actions, ROBOTWIN) is actions
    actions[:2, 6] = GRIPPER
    assert gripper.to_checkpoint(actions, LIBERO)[:2, 6].tolist() == [1, 0]


def libero_codec(*, proprio: bool = False) -> Codec:
    options = OpenVlaOftOptions("x", proprio=proprio)
    found = statistics.read(tiny.FOLDER, None)
    return codec(found, options, LIBERO, around.libero(), epsilon=statistics.EPSILON)


def test_labels_survive_the_tokens_with_their_gripper() -> None:
    """A demonstration's action -> tokens -> the action, to half a bin; the gripper exactly."""
    numbers = libero_codec()
    reach = numbers.unnormalize(np.array([[-1.0] * 6 + [0.0], [1.0] * 6 + [1.0]], np.float32))
    draw = np.random.default_rng(0)
    actions = draw.uniform(reach.min(0), reach.max(0), (64, 7)).astype(np.float32)
    actions[:, 6] = draw.choice(GRIPPER, 64)
    again = numbers.unnormalize(action_tokens.decode(action_tokens.encode(numbers.normalize(actions))))
    assert again.dtype == np.float32
    assert (again[:, 6] == actions[:, 6]).all()
    assert (np.abs(again - actions)[:, :6] <= (reach[1] - reach[0])[:6] / 2 / 255 + 1e-6).all()


def test_actions_beyond_the_statistics_are_clipped_as_the_training_data_were() -> None:
    far = np.array([5.0] * 6 + [1.0], np.float32)
    assert libero_codec().normalize(far).tolist() == [1.0] * 6 + [0.0]


def test_proprioception_goes_back_to_the_checkpoints_units() -> None:
    """The libero plugin scales it; raw = scale * declared + offset, then -1 at low, 1 at high, clipped."""
    fitted = libero_codec(proprio=True).proprio
    assert fitted is not None and fitted.readings is not None
    low, high = np.array(fitted.bounds.low), np.array(fitted.bounds.high)
    for raw, expected in ((low, -1), (high, 1), ((low + high) / 2, 0), (high + 1, 1), (low - 1, -1)):
        declared = (raw - [one.offset for one in fitted.readings]) / [one.scale for one in fitted.readings]
        assert np.abs(fitted(declared) - expected).max() < 1e-5


def test_proprioception_as_the_reference_normalizes_it() -> None:
    """2 (x - lo) / (hi - lo + 1e-8) - 1, clipped."""
    raw = np.random.default_rng(0).uniform(-3, 3, (4, 8))
    entry = statistics.read(tiny.FOLDER, None)["libero_10_no_noops"]
    bounds = statistics.bounds(entry, "libero_10_no_noops", "proprio", LIBERO)
    low, high = np.array(bounds.low), np.array(bounds.high)
    expected = np.clip(2 * (raw - low) / (high - low + 1e-8) - 1, -1, 1)
    assert np.abs(Proprio(bounds)(raw) - expected).max() < 1e-6


def test_plain_takes_the_environments_bounds() -> None:
    spec = around.tabletop()
    numbers = codec({}, OpenVlaOftOptions("x"), PLAIN, spec, epsilon=statistics.EPSILON)
    ends = numbers.unnormalize(np.array([[-1.0] * 3, [1.0] * 3], np.float32))
    assert ends.tolist() == [list(spec.action.low), list(spec.action.high)]
    assert numbers.proprio is None
