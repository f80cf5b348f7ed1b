"""The tokenizer against the definition of OpenVLA's, and against itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.algorithms import action_tokens


def test_openvla_ids() -> None:
    """OpenVLA: id = 32000 - digitize(a, linspace(-1, 1, 256)); centre index = clip(32000 - id - 1, 0, 254)."""
    values = np.linspace(-1, 1, 4001)
    edges = np.linspace(-1, 1, 256)
    ids = 32000 - np.digitize(values, edges)
    assert np.array_equal(action_tokens.encode(values) + 31744, ids)
    centres = (edges[:-1] + edges[1:]) / 2
    expected = centres[np.clip(32000 - ids - 1, 0, 254)]
    np.testing.assert_allclose(action_tokens.decode(action_tokens.encode(values)), expected, atol=1e-7)


def test_two_top_tokens_mean_one_action() -> None:
    assert action_tokens.decode(np.array([0])) == action_tokens.decode(np.array([1]))
    assert len(np.unique(action_tokens.decode(np.arange(256)))) == 255


def test_zero_is_exact_and_tokens_descend() -> None:
    assert action_tokens.decode(action_tokens.encode(np.array([0.0]))) == 0.0
    assert (np.diff(action_tokens.decode(np.arange(256))) <= 0).all()


def test_nan_has_no_token() -> None:
    with pytest.raises(ValueError, match="NaN"):
        action_tokens.encode(np.array([[0.0, np.nan], [1.0, -1.0]]))
    assert action_tokens.encode(np.array([np.inf, -np.inf])).tolist() == action_tokens.encode([1.0, -1.0]).tolist()


@given(st.floats(-3, 3))
def test_round_trip_is_within_half_an_interval(value: float) -> None:
    back = float(action_tokens.decode(action_tokens.encode(np.array([value])))[0])
    assert abs(back - np.clip(value, -1, 1)) <= 1 / 255 + 1e-6


@given(st.integers(1, 255))
def test_decoded_tokens_encode_to_themselves(token: int) -> None:
    assert action_tokens.encode(action_tokens.decode(np.array([token])))[0] == token
