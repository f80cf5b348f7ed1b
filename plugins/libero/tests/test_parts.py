"""Tests of small functions against closed forms."""

from __future__ import annotations

import time

import numpy as np
import pytest

from vla_rl_bench_libero.simulator import axis_angle, rotate
from vla_rl_bench_libero.stopwatch import Stopwatch


def test_stopwatch_subtracts_nested_measurements() -> None:
    watch = Stopwatch("outer", "inner")
    started = time.perf_counter()
    with watch.measure("outer"):
        time.sleep(0.02)
        with watch.measure("inner"):
            time.sleep(0.03)
    elapsed = time.perf_counter() - started
    assert watch.seconds["inner"] >= 0.03
    assert 0.02 <= watch.seconds["outer"] <= elapsed - 0.03
    assert sum(watch.seconds.values()) == pytest.approx(elapsed, abs=1e-3)


def test_rotate_reverses_rows_and_columns() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(rotate(image)[0, 0], image[1, 1])
    assert np.array_equal(rotate(rotate(image)), image)


def test_axis_angle_is_continuous_at_half_turn() -> None:
    """A hand that points down is near pi: there must be no jump to -pi."""
    for angle in (0.3, np.pi - 0.01, np.pi, np.pi + 0.01):
        quaternion = np.array([np.sin(angle / 2), 0.0, 0.0, np.cos(angle / 2)])
        assert axis_angle(quaternion) == pytest.approx([angle, 0, 0])
    assert np.array_equal(axis_angle(np.array([0.0, 0, 0, 1])), np.zeros(3))


@pytest.mark.sim
def test_noise_has_stationary_deviation() -> None:
    """AR(1) with coefficient 0.7: the stationary deviation is sigma / sqrt(1 - 0.49)."""
    from vla_rl_bench_libero.demonstrate import Noise

    noise = Noise(0.05, np.random.default_rng(0))
    executed = np.array([noise.add(np.zeros(7)) for _ in range(20_000)])
    expected = 0.05 / np.sqrt(1 - 0.7**2) * np.array([1, 1, 1, 0.2, 0.2, 0.2])
    assert executed[:, :6].std(0) == pytest.approx(expected, rel=0.05)
    assert not executed[:, 6].any()


@pytest.mark.sim
@pytest.mark.parametrize("finger_axis", [0, 1])
@pytest.mark.parametrize("angle", [-2.0, 0.1, 1.5])
def test_hand_rotation_points_down_and_closes_along_angle(finger_axis: int, angle: float) -> None:
    from vla_rl_bench_libero.experts.pinch_grasp import Hand, hand_rotation

    current = np.diag([1.0, -1.0, -1.0])
    rotation = hand_rotation(Hand(current, finger_axis), angle)
    assert rotation @ rotation.T == pytest.approx(np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[:, 2] == pytest.approx([0, 0, -1])
    closing = rotation[:, finger_axis]
    assert abs(closing @ [np.cos(angle), np.sin(angle), 0]) == pytest.approx(1)
    assert closing @ current[:, finger_axis] >= 0


@pytest.mark.sim
def test_decimation_keeps_distinct_faces_with_area() -> None:
    from vla_rl_bench_libero.fast_render import _cluster, _distinct_faces

    vertices = np.array([[0, 0, 0], [0.01, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    representative = _cluster(vertices, cells=4)
    assert representative.tolist() == [0, 0, 2, 3]
    faces = np.array([[0, 1, 2], [0, 2, 3], [1, 2, 3]])
    assert _distinct_faces(representative[faces]).tolist() == [1]
